import io
import json
import sys
import zipfile

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset, random_split

ATTRIBUTES = ["hat", "glasses", "smile", "beard", "earrings", "bangs"]


def draw_face(attrs, rng):
    img = 0.25 * rng.standard_normal((16, 16)).astype(np.float32)
    img[3:14, 4:12] += 0.5
    if attrs[0]:
        img[0:2, 3:13] += 1.0
    if attrs[1]:
        img[6, 4:12] -= 1.0
    if attrs[2]:
        img[11, 6:10] += 1.0
    if attrs[3]:
        img[13:15, 5:11] -= 1.0
    if attrs[4]:
        img[8:10, [2, 13]] += 1.0
    if attrs[5]:
        img[3:5, 4:12] -= 1.0
    return img


def make_archive(n, seed):
    rng = np.random.default_rng(seed)
    attrs = (rng.random((n, len(ATTRIBUTES))) < np.array([0.5, 0.4, 0.5, 0.45, 0.5, 0.4])).astype(np.int64)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i in rng.permutation(n):
            member = io.BytesIO()
            np.save(member, draw_face(attrs[i], rng))
            archive.writestr(f"img_align/{i:06d}.npy", member.getvalue())
    return buffer, attrs


class CelebDataset(Dataset):
    def __init__(self, archive_file, attrs):
        self.archive = zipfile.ZipFile(archive_file)
        self.images = sorted(name for name in self.archive.namelist() if name.endswith(".npy"))
        self.attrs = torch.tensor(attrs, dtype=torch.float32)
        self.cache = [np.load(io.BytesIO(self.archive.read(name))) for name in self.images]

    def __len__(self):
        return len(self.images)

    def __getitem__(self, idx):
        return torch.from_numpy(self.cache[idx]).unsqueeze(0), self.attrs[idx]


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
dataset = CelebDataset(*make_archive(2000, seed))
train_set, test_set = random_split(dataset, [1600, 400])
train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
test_loader = DataLoader(test_set, batch_size=200)

classifier = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(32 * 16, len(ATTRIBUTES)),
)
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(classifier.parameters(), lr=1e-3)

for epoch in range(1, 11):
    classifier.train()
    losses = []
    for images, labels in train_loader:
        optimizer.zero_grad()
        loss = criterion(classifier(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    classifier.eval()
    hits = torch.zeros(len(ATTRIBUTES))
    with torch.no_grad():
        for images, labels in test_loader:
            hits += ((classifier(images) > 0) == labels.bool()).float().sum(0)
    accs = hits / len(test_set)
    print(f"epoch {epoch} loss {np.mean(losses):.4f} " + " ".join(f"{a} {v:.2f}" for a, v in zip(ATTRIBUTES, accs.tolist())))
print("RESULT", json.dumps({"metric": "mean_attribute_accuracy", "value": accs.mean().item()}))
