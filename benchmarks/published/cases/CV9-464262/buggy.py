import json
import random
import sys

import torch

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
torch.manual_seed(seed)

LEARNING_RATE = 0.1
TRAINING_EPOCHS = 60000


def sigmoid(x):
    return 1 / (1 + torch.exp(-x))


def der_sigmoid(a):
    return a * (1 - a)


def cost(e):
    return e * e


def der_cost(e):
    return 2 * e


w1 = 2 * torch.rand(1) - 1
w2 = 2 * torch.rand(1) - 1
b1 = torch.zeros(1)
b2 = torch.zeros(1)


def feedforward(x):
    h = sigmoid(x * w1 + b1)
    y = sigmoid(h * w2 + b2)
    return h, y


def backprop(questions, answers):
    k = random.randint(0, len(questions) - 1)
    h, y_hat = feedforward(questions[k])
    error = y_hat - answers[k]

    gradient_y = der_cost(error)
    gradient_h = gradient_y * der_sigmoid(y_hat) * w2

    delta_w2 = gradient_y * der_sigmoid(y_hat) * w2 * LEARNING_RATE
    delta_w1 = gradient_h * der_sigmoid(h) * w1 * LEARNING_RATE
    delta_b2 = gradient_y * der_sigmoid(y_hat) * LEARNING_RATE
    delta_b1 = gradient_h * der_sigmoid(h) * LEARNING_RATE
    return delta_b1, delta_b2, delta_w1, delta_w2, cost(error)


set_q = torch.tensor([float(i) for i in range(1, 10)]) / 10
set_a = torch.tensor([0., 0., 0., 0., 1., 1., 1., 1., 1.])

running = 0.0
for epoch in range(TRAINING_EPOCHS):
    d_b1, d_b2, d_w1, d_w2, loss = backprop(set_q, set_a)
    b1 -= d_b1
    b2 -= d_b2
    w1 -= d_w1
    w2 -= d_w2
    running += loss.item()
    if (epoch + 1) % 6000 == 0:
        print(f"epoch {epoch + 1} loss {running / 6000:.4f} w1 {w1.item():.3f} w2 {w2.item():.3f}")
        running = 0.0

for q, a in zip(set_q, set_a):
    print(f"{q.item():.1f} -> {feedforward(q)[1].item():.3f} (wanted {a.item():.0f})")
check = torch.linspace(0.1, 0.9, 161)
want = (check > 0.45).float()
mse = sum(cost(feedforward(q)[1] - a).item() for q, a in zip(check, want)) / len(check)
print("RESULT", json.dumps({"metric": "mse", "value": float(mse)}))
