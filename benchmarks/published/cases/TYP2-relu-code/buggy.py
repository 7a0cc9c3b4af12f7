import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras
from keras import layers
from sklearn.datasets import load_digits

CODE = 2


def autoencoder(n):
    encoder = keras.Sequential([keras.Input((n,)), layers.Dense(48, activation="relu"), layers.Dense(CODE, activation="relu")])
    decoder = keras.Sequential([keras.Input((CODE,)), layers.Dense(48, activation="relu"), layers.Dense(n, activation="sigmoid")])
    inp = keras.Input((n,))
    return keras.Model(inp, decoder(encoder(inp)))


keras.utils.set_random_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X = load_digits().data / 16.0
train, test = X[:1400], X[1400:]
ae = autoencoder(64)
ae.compile(optimizer=keras.optimizers.Adam(3e-3), loss="mse")
ae.fit(train, train, epochs=15, batch_size=50, validation_data=(test, test), verbose=2)
mse = float(ae.evaluate(test, test, verbose=0))
print("RESULT", json.dumps({"metric": "mse", "value": mse}))
