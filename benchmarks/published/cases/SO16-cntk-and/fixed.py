# single-layer network for the logical AND of two (noisy) inputs, after the CNTK logistic-regression tutorial
import sys
import json
import numpy as np
import torch

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(seed)
np.random.seed(seed)

input_dim = 2
num_output_classes = 1


def generate_random_data_sample(sample_size):
    bits = np.random.randint(0, 2, size=(sample_size, input_dim))
    y = bits.all(axis=1).astype(np.float32).reshape(-1, num_output_classes)
    x = (bits + 0.12 * np.random.randn(sample_size, input_dim)).astype(np.float32)
    return torch.from_numpy(x), torch.from_numpy(y)


def cross_entropy_with_softmax(z, label):
    return (torch.logsumexp(z, dim=1) - (label * z).sum(dim=1)).mean()


def binary_cross_entropy(p, label):
    p = p.clamp(1e-7, 1 - 1e-7)
    return -(label * torch.log(p) + (1 - label) * torch.log(1 - p)).mean()


W = torch.nn.Parameter(torch.empty(input_dim, num_output_classes))
torch.nn.init.xavier_uniform_(W)
b = torch.nn.Parameter(torch.zeros(num_output_classes))


def model(features):
    return torch.sigmoid(features @ W + b)


def predict(features):
    return (model(features) > 0.5).float()


learner = torch.optim.SGD([W, b], lr=0.5)
minibatch_size = 25
num_minibatches = 6000

for i in range(num_minibatches):
    features, labels = generate_random_data_sample(minibatch_size)
    loss = binary_cross_entropy(model(features), labels)
    learner.zero_grad()
    loss.backward()
    learner.step()
    if i % 500 == 0:
        error = (predict(features) != labels).float().mean().item()
        print("Minibatch: {0}, Loss: {1:.4f}, Error: {2:.2f}".format(i, loss.item(), error))

x_test, y_test = generate_random_data_sample(2000)
with torch.no_grad():
    accuracy = (predict(x_test) == y_test).float().mean().item()
print("RESULT", json.dumps({"metric": "test_accuracy", "value": round(accuracy, 4)}))
