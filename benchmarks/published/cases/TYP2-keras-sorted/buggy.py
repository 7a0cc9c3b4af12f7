import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
from sklearn.datasets import make_blobs

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
keras.utils.set_random_seed(seed)

X, y = make_blobs(2600, n_features=12, centers=10, cluster_std=4.5, random_state=seed)
X = ((X - X.mean(0)) / X.std(0)).astype("float32")
X_test, y_test = X[2000:], y[2000:]
order = np.argsort(y[:2000], kind="stable")
X_train, y_train = X[:2000][order], y[:2000][order]


def get_model():
    model = keras.Sequential()
    model.add(keras.Input((12,)))
    model.add(keras.layers.Dense(64, activation="relu"))
    model.add(keras.layers.Dense(10, activation="softmax"))
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


model = get_model()
model.fit(X_train, y_train, batch_size=20, epochs=6, shuffle=False, verbose=2)
_, acc = model.evaluate(X_test, y_test, verbose=0)
print("test accuracy", acc)
print("RESULT", json.dumps({"metric": "accuracy", "value": float(acc)}))
