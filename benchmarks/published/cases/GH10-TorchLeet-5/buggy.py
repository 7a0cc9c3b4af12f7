import json
import random
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)


class TransformerModel(nn.Module):
    def __init__(self, input_dim, embed_dim, num_heads, num_layers, ff_dim, output_dim):
        super(TransformerModel, self).__init__()
        self.embedding = nn.Linear(input_dim, embed_dim)
        self.transformer_encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(d_model=embed_dim, nhead=num_heads,
                                       dim_feedforward=ff_dim, dropout=0.0),
            num_layers=num_layers,
        )
        self.output_layer = nn.Linear(embed_dim, output_dim)

    def forward(self, x):
        x = self.embedding(x)
        x = self.transformer_encoder(x)
        x = x[:, -1, :]
        return self.output_layer(x)


# Generate synthetic data
seq_length = 10
num_samples = 2000
input_dim = 1
X = torch.rand(num_samples, seq_length, input_dim)
y = torch.sum(X, dim=1)
X_train, y_train = X[:1500], y[:1500]
X_test, y_test = X[1500:], y[1500:]

# Initialize the model, loss function, and optimizer
model = TransformerModel(input_dim, embed_dim=16, num_heads=2, num_layers=2, ff_dim=64, output_dim=1)
criterion = nn.MSELoss()
optimizer = optim.Adam(model.parameters(), lr=0.001)

# Training loop
epochs = 20
batch_size = 50
for epoch in range(epochs):
    model.train()
    perm = torch.randperm(len(X_train))
    for i in range(0, len(perm), batch_size):
        idx = perm[i:i + batch_size]
        optimizer.zero_grad()
        predictions = model(X_train[idx])
        loss = criterion(predictions, y_train[idx])
        loss.backward()
        optimizer.step()
    if (epoch + 1) % 5 == 0:
        print(f"Epoch [{epoch + 1}/{epochs}], Loss: {loss.item():.4f}")

# Testing
model.eval()
with torch.no_grad():
    predictions = torch.cat([model(X_test[i:i + batch_size]) for i in range(0, len(X_test), batch_size)])
mse = criterion(predictions, y_test).item()
print("Test MSE:", mse)
print("RESULT " + json.dumps({"test_r2": 1 - mse / y_test.var().item()}))
