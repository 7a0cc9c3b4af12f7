"""Keras CNN on the 8x8 digits with mixup.

Inputs and labels are blended, so training loss stays high and training
accuracy looks worse than validation accuracy: the validation set is not mixed.
"""
import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
import torch
from keras import layers
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

torch.set_num_threads(1)
seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
keras.utils.set_random_seed(seed)


class MixUp(keras.utils.PyDataset):
    def __init__(self, x, y, batch=64, alpha=0.3, seed=0, **kw):
        super().__init__(**kw)
        self.x, self.y, self.batch, self.alpha = x, y, batch, alpha
        self.rng = np.random.default_rng(seed)
        self.order = self.rng.permutation(len(x))

    def __len__(self):
        return len(self.x) // self.batch

    def __getitem__(self, i):
        a = self.order[i * self.batch:(i + 1) * self.batch]
        b = self.rng.permutation(a)
        lam = self.rng.beta(self.alpha, self.alpha, len(a)).astype("float32")
        x = lam[:, None, None, None] * self.x[a] + (1 - lam)[:, None, None, None] * self.x[b]
        y = lam[:, None] * self.y[a] + (1 - lam)[:, None] * self.y[b]
        return x, y

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(self.x))


digits = load_digits()
X = (digits.images / 16.0).astype("float32")[..., None]
y = digits.target
x_train, x_test, y_train, y_test = train_test_split(X, y, test_size=400, stratify=y, random_state=seed)
x_train, x_val, y_train, y_val = train_test_split(x_train, y_train, test_size=250, stratify=y_train, random_state=seed)
onehot = keras.utils.to_categorical

model = keras.Sequential([
    keras.Input((8, 8, 1)),
    layers.Conv2D(16, 3, padding="same", activation="relu"),
    layers.Conv2D(24, 3, padding="same", activation="relu"),
    layers.MaxPooling2D(2),
    layers.Flatten(),
    layers.Dense(48, activation="relu"),
    layers.Dense(10, activation="softmax"),
])
model.compile(optimizer=keras.optimizers.Adam(2e-3), loss="categorical_crossentropy", metrics=["accuracy"])
model.fit(
    MixUp(x_train, onehot(y_train, 10), seed=seed),
    validation_data=(x_val, onehot(y_val, 10)),
    epochs=30,
    callbacks=[keras.callbacks.LearningRateScheduler(lambda e: 2e-3 if e < 20 else 5e-4)],
    verbose=2,
)
_, acc = model.evaluate(x_test, onehot(y_test, 10), verbose=0)
flat = lambda a: a.reshape(len(a), -1)
ref = LogisticRegression(max_iter=300).fit(flat(x_train), y_train).score(flat(x_test), y_test)
print(f"test accuracy {acc:.4f}, logistic regression {ref:.4f}")
print("RESULT " + json.dumps({"metric": "test_accuracy", "value": round(float(acc), 4),
                              "good": bool(acc > 0.97 and acc > ref)}))
