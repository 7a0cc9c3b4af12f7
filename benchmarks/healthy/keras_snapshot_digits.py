"""Snapshot ensemble: one Keras run with warm restarts, a copy kept at the end of each cycle, their votes averaged."""
import os
os.environ["KERAS_BACKEND"] = "torch"
import json
import math
import sys

import keras
import numpy as np
import torch
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
keras.utils.set_random_seed(SEED)

X, y = load_digits(return_X_y=True)
X = (X / 16.0).astype("float32")[..., None].reshape(-1, 8, 8, 1)
x_train, x_test, y_train, y_test = train_test_split(X, y, test_size=400, stratify=y, random_state=SEED)
x_train, x_val, y_train, y_val = train_test_split(x_train, y_train, test_size=200, stratify=y_train, random_state=SEED)

CYCLES, PER_CYCLE, LR_MAX = 4, 8, 0.06


class Snapshots(keras.callbacks.Callback):
    def __init__(self, steps_per_epoch):
        super().__init__()
        self.period = steps_per_epoch * PER_CYCLE
        self.step = 0
        self.kept = []

    def on_train_batch_begin(self, batch, logs=None):
        pos = (self.step % self.period) / self.period
        self.model.optimizer.learning_rate.assign(LR_MAX / 2 * (math.cos(math.pi * pos) + 1))
        self.step += 1

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % PER_CYCLE == 0:
            self.kept.append(self.model.get_weights())


l2 = keras.regularizers.L2(1e-3)


def build():
    return keras.Sequential([
        layers.Input((8, 8, 1)),
        layers.Conv2D(16, 3, padding="same", activation="relu", kernel_regularizer=l2),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, padding="same", activation="relu", kernel_regularizer=l2),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(10, activation="softmax", kernel_regularizer=l2),
    ])


model = build()
model.compile(optimizer=keras.optimizers.SGD(LR_MAX, momentum=0.9), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
snaps = Snapshots(math.ceil(len(x_train) / 64))
model.fit(x_train, y_train, batch_size=64, epochs=CYCLES * PER_CYCLE, validation_data=(x_val, y_val), callbacks=[snaps], verbose=2)

votes = []
for k, w in enumerate(snaps.kept):
    member = build()
    member.set_weights(w)
    p = member.predict(x_test, verbose=0)
    print(f"snapshot {k + 1}: {np.mean(p.argmax(1) == y_test):.4f}")
    votes.append(p)
acc = float(np.mean(np.mean(votes, axis=0).argmax(1) == y_test))
print("RESULT " + json.dumps({"metric": "ensemble_test_accuracy", "value": round(acc, 4), "good": acc >= 0.965}))
