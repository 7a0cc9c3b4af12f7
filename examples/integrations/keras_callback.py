"""Penlight in Keras 3 on torch: one callback. `python keras_callback.py sound` repairs the loss."""

import os
import sys

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np

from penlight.integrations.keras import PenlightCallback


def points(n, random):
    y = random.integers(3, size=n)
    angle = 2 * np.pi * y / 3
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.4 * random.normal(size=(n, 2))
    return (1.2 * x).astype("float32"), y


keras.utils.set_random_seed(0)
x, y = points(480, np.random.default_rng(0))
model = keras.Sequential(
    [
        keras.Input((2,)),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dense(3, activation="softmax"),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(0.01),
    # from_logits=True applies a softmax, and the last layer has one already
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits="sound" not in sys.argv),
)
history = model.fit(
    x,
    y,
    batch_size=24,
    epochs=8,
    verbose=0,
    validation_data=points(120, np.random.default_rng(1)),
    callbacks=[PenlightCallback()],
)
print(f"validation loss {history.history['val_loss'][-1]:.3f}")
