import json
import sys

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class SentimentRNN(nn.Module):
    def __init__(self, vocab_size=60, embedding_dim=16, hidden_dim=32, output_dim=2):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        self.lstm = nn.LSTM(embedding_dim, hidden_dim, batch_first=True)
        self.fc = nn.Linear(hidden_dim, output_dim)

    def forward(self, text):
        embedded = self.embedding(text)
        output, (hidden, cell) = self.lstm(embedded)
        return self.fc(output[:, -1, :])


def make_reviews(n, length=12):
    """A review is good when it has more good words (1-5) than bad ones (6-10)."""
    words = torch.randint(11, 60, (n, length))
    mask = torch.rand(n, length) < 0.5
    mask[:, -1] = False
    words = torch.where(mask, torch.randint(1, 11, (n, length)), words)
    good = ((words >= 1) & (words <= 5)).sum(1)
    bad = ((words >= 6) & (words <= 10)).sum(1)
    return words, (good > bad).long()


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    words, labels = make_reviews(1800)
    train_ds, val_ds = random_split(TensorDataset(words, labels), [1500, 300])
    train_loader = DataLoader(train_ds, batch_size=50, shuffle=True)
    val_loader = DataLoader(val_ds, batch_size=50)
    model = SentimentRNN()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    for epoch in range(15):
        model.train()
        train_loss = 0
        for text, label in train_loader:
            optimizer.zero_grad()
            predictions = model(text)
            loss = criterion(predictions, label)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5)
            optimizer.step()
            train_loss += loss.item()
        model.eval()
        val_correct = 0
        with torch.no_grad():
            for text, label in val_loader:
                val_correct += (model(text).argmax(1) == label).sum().item()
        print(f"Epoch: {epoch + 1} Train Loss: {train_loss / len(train_loader):.3f} Val. Acc: {val_correct / 300:.2%}")
    print("RESULT", json.dumps({"metric": "accuracy", "value": val_correct / 300}))


if __name__ == "__main__":
    main()
