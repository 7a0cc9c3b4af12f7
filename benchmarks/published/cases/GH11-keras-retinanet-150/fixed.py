import sys, json
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

SIZE = 24


def make_scenes(n):
    images = 0.4 * np.random.randn(n, SIZE, SIZE)
    boxes = np.zeros((n, 4))
    for i in range(n):
        w, h = np.random.randint(5, 11, 2)
        x, y = np.random.randint(0, SIZE - w), np.random.randint(0, SIZE - h)
        images[i, y:y + h, x:x + w] += 1.5
        boxes[i] = x, y, x + w, y + h
    return images.astype(np.float32), boxes.astype(np.float32)


class ImageDataGenerator:
    """random horizontal and vertical flips"""

    def __init__(self, horizontal_flip=True, vertical_flip=True):
        self.horizontal_flip = horizontal_flip
        self.vertical_flip = vertical_flip

    def random_params(self):
        return (self.horizontal_flip and np.random.rand() < 0.5,
                self.vertical_flip and np.random.rand() < 0.5)

    def transform_image(self, image, params):
        fx, fy = params
        if fx:
            image = image[:, ::-1]
        if fy:
            image = image[::-1]
        return image

    def transform_box(self, box, params):
        x1, y1, x2, y2 = box
        fx, fy = params
        if fx:
            x1, x2 = SIZE - x2, SIZE - x1
        if fy:
            y1, y2 = SIZE - y2, SIZE - y1
        return np.array([x1, y1, x2, y2], dtype=np.float32)


class Generator:
    def __init__(self, images, boxes, image_data_generator, batch_size=32):
        self.images, self.boxes = images, boxes
        self.image_data_generator = image_data_generator
        self.batch_size = batch_size

    def random_transform_group_entry(self, image, box):
        gen = self.image_data_generator
        params = gen.random_params()
        image = gen.transform_image(image, params)
        box = gen.transform_box(box, params)
        return image, box

    def __iter__(self):
        order = np.random.permutation(len(self.images))
        for i in range(0, len(order), self.batch_size):
            group = [self.random_transform_group_entry(self.images[k], self.boxes[k]) for k in order[i:i + self.batch_size]]
            images = torch.tensor(np.stack([g[0] for g in group]))[:, None]
            boxes = torch.tensor(np.stack([g[1] for g in group])) / SIZE
            yield images, boxes


class BoxNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(32 * 36, 64), nn.ReLU(), nn.Linear(64, 4))

    def forward(self, x):
        return self.head(self.backbone(x).flatten(1))


def mean_iou(model, images, boxes):
    model.eval()
    with torch.no_grad():
        p = model(torch.tensor(images)[:, None]).numpy() * SIZE
    ix = np.clip(np.minimum(p[:, 2], boxes[:, 2]) - np.maximum(p[:, 0], boxes[:, 0]), 0, None)
    iy = np.clip(np.minimum(p[:, 3], boxes[:, 3]) - np.maximum(p[:, 1], boxes[:, 1]), 0, None)
    area = lambda b: np.clip(b[:, 2] - b[:, 0], 0, None) * np.clip(b[:, 3] - b[:, 1], 0, None)
    return float((ix * iy / (area(p) + area(boxes) - ix * iy)).mean())


train_images, train_boxes = make_scenes(1500)
test_images, test_boxes = make_scenes(400)
train_generator = Generator(train_images, train_boxes, ImageDataGenerator())

model = BoxNet()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
epochs = 12
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs, eta_min=1e-5)

for epoch in range(epochs):
    model.train()
    losses = []
    for images, boxes in train_generator:
        loss = F.smooth_l1_loss(model(images), boxes, beta=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    scheduler.step()
    print("Epoch %d/%d - loss: %.4f - test iou: %.4f" % (epoch + 1, epochs, np.mean(losses), mean_iou(model, test_images, test_boxes)))

print("RESULT " + json.dumps({"metric": round(mean_iou(model, test_images, test_boxes), 4)}))
