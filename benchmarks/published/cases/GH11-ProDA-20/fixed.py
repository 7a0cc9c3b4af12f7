import sys, json
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

N_CLASS, SIZE = 4, 20


def make_scenes(n):
    """street scenes in small: four materials in blobs, strongly overlapping in colour"""
    colour = np.array([[0.7, 0.0, 0.0], [0.0, 0.7, 0.0], [0.0, 0.0, 0.7], [-0.4, -0.4, -0.4]])
    yy, xx = np.mgrid[0:SIZE, 0:SIZE]
    images = np.zeros((n, 3, SIZE, SIZE), dtype=np.float32)
    labels = np.zeros((n, SIZE, SIZE), dtype=np.int64)
    for i in range(n):
        centre = np.random.rand(7, 2) * SIZE
        kind = np.random.randint(N_CLASS, size=7)
        d = (yy[None] - centre[:, 0, None, None]) ** 2 + (xx[None] - centre[:, 1, None, None]) ** 2
        labels[i] = kind[d.argmin(0)]
        images[i] = colour[labels[i]].transpose(2, 0, 1) + 0.9 * np.random.randn(3, SIZE, SIZE)
    return images, labels


def patches(images):
    p = F.unfold(torch.tensor(images), 5, padding=2)
    return p.transpose(1, 2).reshape(-1, 75).numpy()


class StudentNet(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU())
        self.classifier = nn.Conv2d(width, N_CLASS, 1)

    def forward(self, x):
        return {'out': self.classifier(self.body(x))}


# the teacher of the previous stage, fitted on the labelled source scenes
src_images, src_labels = make_scenes(60)
teacher = LogisticRegression(max_iter=100).fit(patches(src_images), src_labels.reshape(-1))


def teacher_prob(images):
    p = teacher.predict_proba(patches(images)).astype(np.float32)
    return torch.tensor(p.reshape(len(images), SIZE, SIZE, N_CLASS)).permute(0, 3, 1, 2).contiguous()


target_images, _ = make_scenes(400)
target_teacher = teacher_prob(target_images)
target_images = torch.tensor(target_images)
test_images, test_labels = make_scenes(100)
test_images, test_labels = torch.tensor(test_images), torch.tensor(test_labels)

model = StudentNet()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)


def evaluate():
    model.eval()
    with torch.no_grad():
        logits = model(test_images)['out']
        return (F.cross_entropy(logits, test_labels).item(),
                (logits.argmax(1) == test_labels).float().mean().item())


batch_size = 20
for epoch in range(9):
    model.train()
    perm = torch.randperm(len(target_images))
    total = 0.0
    for i in range(0, len(perm), batch_size):
        idx = perm[i:i + batch_size]
        target_out = model(target_images[idx])
        teacher_out = target_teacher[idx]
        student = F.log_softmax(target_out['out'], dim=1)
        mask = (teacher_out != 250).float()
        loss_kd = F.kl_div(student, teacher_out, reduction='none')
        loss_kd = N_CLASS * (loss_kd * mask).sum() / mask.sum()
        optimizer.zero_grad()
        loss_kd.backward()
        optimizer.step()
        total += loss_kd.item()
    nll, acc = evaluate()
    print("epoch %d  loss_kd %.4f  pixel accuracy %.4f" % (epoch, total / (len(perm) / batch_size), acc))

nll, acc = evaluate()
print("test pixel accuracy %.4f, negative log likelihood %.4f" % (acc, nll))
print("RESULT " + json.dumps({"metric": "score", "value": round(nll, 4)}))
