import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
keras.utils.set_random_seed(seed)

digits = load_digits()
keep = np.isin(digits.target, [3, 8])
X = (digits.data[keep] / 16.0).astype("float32")
y = (digits.target[keep] == 8).astype("float32")
X_train, X_test, y_train, y_test = X[:250], X[250:], y[:250], y[250:]

hidden = keras.layers.Dense(500, activation="relu")
hidden.trainable = False
model = keras.Sequential([keras.Input((64,)), hidden, keras.layers.Dense(1, activation="sigmoid")])
model.compile(loss="binary_crossentropy", optimizer=keras.optimizers.Adam(0.01), metrics=["accuracy"])
model.fit(X_train, y_train, batch_size=250, epochs=60, verbose=0)
loss, acc = model.evaluate(X_test, y_test, verbose=0)
print("test loss", loss, "test accuracy", acc)
print("RESULT", json.dumps({"metric": "bce", "value": loss}))
