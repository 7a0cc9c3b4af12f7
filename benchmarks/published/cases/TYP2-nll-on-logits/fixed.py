import argparse
import json

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("seed", type=int, nargs="?", default=0)
parser.add_argument("--epochs", type=int, default=6)
parser.add_argument("--lr", type=float, default=0.005)
args = parser.parse_args()
torch.manual_seed(args.seed)

VOCAB, LENGTH, TOPICS = 400, 25, 8
topic_words = torch.distributions.Dirichlet(torch.full((VOCAB,), 0.15)).sample((TOPICS,))


def documents(n):
    y = torch.randint(TOPICS, (n,))
    common = torch.full((VOCAB,), 1 / VOCAB)
    p = 0.35 * topic_words[y] + 0.65 * common
    return torch.multinomial(p, LENGTH, replacement=True), y


class TopicModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.EmbeddingBag(VOCAB, 32, mode="mean")
        self.fc1 = nn.Linear(32, 32)
        self.fc2 = nn.Linear(32, TOPICS)

    def forward(self, tokens):
        h = torch.relu(self.fc1(self.embedding(tokens)))
        return torch.log_softmax(self.fc2(h), dim=1)


train = TensorDataset(*documents(3000))
x_test, y_test = documents(600)
model = TopicModel()
opt = torch.optim.Adam(model.parameters(), lr=args.lr)
criterion = nn.NLLLoss()
for epoch in range(args.epochs):
    for tokens, topic in DataLoader(train, batch_size=50, shuffle=True):
        opt.zero_grad()
        loss = criterion(model(tokens), topic)
        loss.backward()
        opt.step()
    with torch.no_grad():
        acc = (model(x_test).argmax(1) == y_test).float().mean().item()
    print(f"epoch {epoch}: loss {loss.item():.3f}, test accuracy {acc:.3f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
