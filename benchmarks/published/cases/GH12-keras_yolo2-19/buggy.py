import sys
import json
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.RandomState(seed)
torch.manual_seed(seed)

config = {"IMAGE_W": 24, "IMAGE_H": 24, "IMAGE_C": 3, "BATCH_SIZE": 32,
          "LABELS": ["redsign", "bluesign", "yellowsign", "cyansign", "greensign"]}
BGR = {"redsign": (30, 40, 210), "bluesign": (215, 60, 30), "yellowsign": (30, 200, 210),
       "cyansign": (210, 200, 40), "greensign": (50, 200, 60)}


def write_images(n):
    """What cv2.imread gives back: uint8 arrays with the channels in the order blue, green, red."""
    files = []
    for _ in range(n):
        img = rng.normal(110, 25, size=(24, 24, 3))
        label = config["LABELS"][rng.randint(5)]
        w, h = rng.randint(7, 13, size=2)
        x0, y0 = rng.randint(0, 24 - w), rng.randint(0, 24 - h)
        img[y0:y0 + h, x0:x0 + w] = np.array(BGR[label]) * rng.uniform(0.8, 1.1) + rng.normal(0, 12, size=(h, w, 3))
        files.append({"pixels": np.clip(img, 0, 255).astype(np.uint8), "name": label,
                      "box": np.array([x0, y0, x0 + w, y0 + h], dtype=np.float32)})
    return files


def imread(entry):
    return entry["pixels"].copy()


def normalize(image):
    return image / 127.5 - 1.0


class BatchGenerator:
    def __init__(self, images, config, norm=None, shuffle=True):
        self.images, self._config, self._norm, self.shuffle = images, config, norm, shuffle

    def load_image(self, entry):
        image = imread(entry)
        image = image[..., ::-1]
        if self._norm is not None:
            image = self._norm(image.astype(np.float32))
        return image

    def __iter__(self):
        order = np.random.RandomState(rng.randint(1 << 30)).permutation(len(self.images)) if self.shuffle \
            else np.arange(len(self.images))
        bs = self._config["BATCH_SIZE"]
        for i in range(0, len(order), bs):
            part = [self.images[k] for k in order[i:i + bs]]
            x_batch = np.stack([self.load_image(e) for e in part]).transpose(0, 3, 1, 2).astype(np.float32)
            cls = np.array([self._config["LABELS"].index(e["name"]) for e in part])
            box = np.stack([e["box"] / 24.0 for e in part])
            yield torch.from_numpy(x_batch), torch.from_numpy(cls), torch.from_numpy(box)


class YOLO:
    def __init__(self, input_size, labels):
        self._input_size, self.labels = input_size, labels
        self.model = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.LeakyReLU(0.1), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.LeakyReLU(0.1), nn.MaxPool2d(2),
            nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.LeakyReLU(0.1),
            nn.Flatten(), nn.Linear(32 * 6 * 6, 64), nn.LeakyReLU(0.1), nn.Linear(64, len(labels) + 4))

    def loss(self, x, cls, box):
        out = self.model(x)
        n = len(self.labels)
        return F.cross_entropy(out[:, :n], cls) + 5.0 * F.mse_loss(torch.sigmoid(out[:, n:]), box)

    def train(self, train_imgs, valid_imgs, nb_epochs, learning_rate):
        optimizer = torch.optim.Adam(self.model.parameters(), lr=learning_rate)
        train_generator = BatchGenerator(train_imgs, config, norm=normalize)
        valid_generator = BatchGenerator(valid_imgs, config, norm=normalize, shuffle=False)
        for epoch in range(nb_epochs):
            self.model.train()
            losses = []
            for x, cls, box in train_generator:
                loss = self.loss(x, cls, box)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            self.model.eval()
            with torch.no_grad():
                val = [self.loss(*b).item() for b in valid_generator]
            print("Epoch %d/%d loss: %.4f val_loss: %.4f" % (epoch + 1, nb_epochs, np.mean(losses), np.mean(val)))

    def predict(self, image):
        image = normalize(image.astype(np.float32))
        x = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32))
        self.model.eval()
        with torch.no_grad():
            out = self.model(x)[0]
        n = len(self.labels)
        return self.labels[int(out[:n].argmax())], torch.sigmoid(out[n:]).numpy() * 24


def bbox_iou(a, b):
    iw = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    ih = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    inter = iw * ih
    return inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter + 1e-9)


train_imgs, valid_imgs, test_imgs = write_images(1500), write_images(300), write_images(400)
yolo = YOLO(24, config["LABELS"])
yolo.train(train_imgs, valid_imgs, nb_epochs=6, learning_rate=1e-3)

hits = 0
for entry in test_imgs:
    image = imread(entry)
    name, box = yolo.predict(image)
    hits += int(name == entry["name"] and bbox_iou(box, entry["box"]) > 0.5)
print("RESULT " + json.dumps({"metric": "share of test images with right class and IoU > 0.5", "value": hits / len(test_imgs)}))
