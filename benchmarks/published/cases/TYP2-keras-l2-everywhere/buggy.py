import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras
from keras import layers, regularizers
from sklearn.datasets import make_friedman1

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
keras.utils.set_random_seed(seed)
X, y = make_friedman1(1500, n_features=8, noise=0.3, random_state=seed)
X = (X - 0.5) * 3.46
y = (y - y.mean()) / y.std()

reg = regularizers.l2(0.5)
inp = keras.Input((8,))
z = layers.Dense(64, activation="relu", kernel_regularizer=reg)(inp)
z = layers.Dense(64, activation="relu", kernel_regularizer=reg)(z)
out = layers.Dense(1, kernel_regularizer=reg)(z)
net = keras.Model(inp, out)
net.compile(loss="mse", optimizer=keras.optimizers.Adam(2e-3))
net.fit(X[:1200], y[:1200], epochs=12, batch_size=40, verbose=2)
pred = net.predict(X[1200:], verbose=0)[:, 0]
value = float(((pred - y[1200:]) ** 2).mean())
print("RESULT", json.dumps({"metric": "mse / var(y)", "value": value}))
