import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
keras.utils.set_random_seed(seed)

X, y = load_digits(return_X_y=True)
X = X / 16.0
test = np.arange(len(X)) % 5 == 0
X_train, y_train, X_test, y_test = X[~test], y[~test], X[test], y[test]
np.random.shuffle(X_train)

inputs = keras.Input(shape=(64,))
h = keras.layers.Dense(48, activation="relu")(inputs)
h = keras.layers.Dense(48, activation="relu")(h)
outputs = keras.layers.Dense(10, activation="softmax")(h)
model = keras.Model(inputs, outputs)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(X_train, y_train, validation_data=(X_test, y_test), epochs=12, batch_size=32, verbose=2)
print("RESULT", json.dumps({"metric": "accuracy", "value": history.history["val_accuracy"][-1]}))
