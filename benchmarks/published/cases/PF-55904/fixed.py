import json
import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn, optim


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.fc1 = nn.Linear(32 * 2 * 2, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return F.log_softmax(self.fc2(x), dim=1)


def validate(model, images, labels, criterion):
    model.eval()
    with torch.no_grad():
        log_ps = model(images)
        ps = torch.exp(log_ps)
        test_loss = criterion(log_ps, labels).item()
        top_p, top_class = ps.topk(1, dim=1)
        equals = top_class == labels.view(*top_class.shape)
        accuracy = torch.mean(equals.type(torch.FloatTensor)).item()
    model.train()
    return test_loss, accuracy


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 8 - 1
labels = torch.tensor(digits.target)
perm = torch.randperm(len(images))
train, test = perm[:1400], perm[1400:]

model = Network()
criterion = nn.NLLLoss()
optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
for e in range(8):
    running_loss = 0
    for chunk in train[torch.randperm(len(train))].split(32):
        log_ps = model(images[chunk])
        loss = criterion(log_ps, labels[chunk])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    test_loss, accuracy = validate(model, images[test], labels[test], criterion)
    print(f"Epoch {e + 1}: train {running_loss / 44:.3f}, test {test_loss:.3f}, accuracy {accuracy:.3f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": accuracy}))
