import sys
import json
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

batchSize = 32
nb_classes = 10
nb_epoch = 40


def load_data():
    digits = load_digits()
    return train_test_split(digits.data, digits.target, test_size=450, random_state=seed, stratify=digits.target)


def data_generator(isTrain=True, batchSize=32):
    X_train, X_test, y_train, y_test = load_data()
    X_train = X_train.astype('float32')
    X_test = X_test.astype('float32')
    X_train /= 16
    X_test /= 16
    print(X_train.shape[0], 'train samples')
    print(X_test.shape[0], 'test samples')

    if isTrain:
        dataset = (X_train, y_train)
    else:
        dataset = (X_test, y_test)

    dataset_size = len(dataset)

    while True:
        i = 0
        yield torch.from_numpy(dataset[0][i:i + batchSize]), torch.from_numpy(dataset[1][i:i + batchSize]).long()
        i += batchSize
        if i + batchSize > dataset_size:
            i = 0


model = nn.Sequential(
    nn.Linear(64, 128),
    nn.ReLU(),
    nn.Dropout(0.2),
    nn.Linear(128, 128),
    nn.ReLU(),
    nn.Dropout(0.2),
    nn.Linear(128, nb_classes),
)
optimizer = torch.optim.RMSprop(model.parameters(), lr=0.001)

train_gen = data_generator(True, batchSize)
samples_per_epoch = 1347

for epoch in range(nb_epoch):
    model.train()
    seen, total_loss, correct = 0, 0.0, 0
    while seen < samples_per_epoch:
        x, y = next(train_gen)
        optimizer.zero_grad()
        out = model(x)
        loss = F.cross_entropy(out, y)
        loss.backward()
        optimizer.step()
        seen += len(x)
        total_loss += loss.item() * len(x)
        correct += (out.argmax(1) == y).sum().item()
    print('Epoch %d/%d - loss: %.4f - acc: %.4f' % (epoch + 1, nb_epoch, total_loss / seen, correct / seen))

X_train, X_test, y_train, y_test = load_data()
model.eval()
with torch.no_grad():
    out = model(torch.from_numpy(X_test.astype('float32') / 16))
acc = (out.argmax(1).numpy() == y_test).mean()
print('Test accuracy:', acc)
print('RESULT ' + json.dumps({"metric": "test accuracy", "value": round(float(acc), 4)}))
