"""Keras: predict a mean and a spread with a Gaussian likelihood (the tide gauge whose noise depends on the wind).

The loss is a log density: it is below zero and goes on falling there. Its floor is known from the made data.
"""
import json
import math
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch
from keras import layers, ops

torch.set_num_threads(1)
SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
keras.utils.set_random_seed(SEED)
rng = np.random.default_rng(SEED)


def make(n):
    hour = rng.uniform(0, 24, n)
    wind = rng.gamma(2.0, 2.0, n)
    pressure = rng.normal(0, 1, n)
    level = 0.9 * np.sin(2 * np.pi * hour / 12.4) + 0.2 * np.sin(2 * np.pi * hour / 24) - 0.15 * pressure * (1 + 0.5 * np.cos(2 * np.pi * hour / 12.4))
    sd = 0.02 + 0.015 * wind
    tide, sun = 2 * np.pi * hour / 12.4, 2 * np.pi * hour / 24  # the usual harmonic inputs
    x = np.column_stack([np.sin(tide), np.cos(tide), np.sin(sun), np.cos(sun), np.log1p(wind) - 1.5, pressure]).astype("float32")
    return x, (level + sd * rng.normal(size=n)).astype("float32")[:, None], sd, level


x_train, y_train, _, _ = make(6000)
x_val, y_val, _, _ = make(1500)
x_test, y_test, sd_test, level_test = make(4000)


def gaussian_nll(y_true, y_pred):
    mean, log_sd = y_pred[:, :1], ops.clip(y_pred[:, 1:], -6.0, 3.0)
    z = (y_true - mean) * ops.exp(-log_sd)
    return ops.mean(log_sd + 0.5 * z * z + 0.5 * math.log(2 * math.pi), axis=-1)


inputs = keras.Input((6,))
h = layers.Dense(64, activation="swish")(inputs)
h = layers.Dense(64, activation="swish")(h)
outputs = layers.Concatenate()([layers.Dense(1, name="mean")(h), layers.Dense(1, name="log_sd")(h)])
model = keras.Model(inputs, outputs)
model.compile(optimizer=keras.optimizers.Adam(3e-3, clipnorm=5.0), loss=gaussian_nll)
model.fit(
    x_train, y_train, validation_data=(x_val, y_val), epochs=30, batch_size=128, verbose=2,
    callbacks=[
        keras.callbacks.ReduceLROnPlateau(patience=4, factor=0.4, min_lr=1e-5),
        keras.callbacks.EarlyStopping(patience=14, restore_best_weights=True),
    ],
)

nll = float(model.evaluate(x_test, y_test, verbose=0))
r = (y_test[:, 0] - level_test) / sd_test
floor = float(np.mean(np.log(sd_test) + 0.5 * r ** 2 + 0.5 * math.log(2 * math.pi)))
one_sd = float(np.log((y_test[:, 0] - level_test).std()) + 0.5 + 0.5 * math.log(2 * math.pi))
print(f"test nll {nll:.4f}, true density {floor:.4f}, true mean with one spread for all {one_sd:.4f}")
print("RESULT " + json.dumps({"metric": "nll_above_floor", "value": round(nll - floor, 4),
                              "good": bool(nll - floor < 0.06 and nll < one_sd)}))
