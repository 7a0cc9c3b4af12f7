import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
from keras.layers import Dense

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
keras.utils.set_random_seed(seed)
rng = np.random.default_rng(seed)
X = rng.uniform(-1, 1, (1500, 6)).astype("float32")
y = (np.sin(3 * X[:, 0]) + X[:, 1] * X[:, 2] * 2 + np.abs(X[:, 3]) + 0.1 * rng.normal(size=1500)).astype("float32")

model = keras.Sequential([keras.Input((6,)), Dense(64, activation="tanh"), Dense(64, activation="tanh"), Dense(1)])
model.compile(optimizer=keras.optimizers.Adam(2e-3), loss="mean_squared_error")
stop = keras.callbacks.EarlyStopping(monitor="val_loss", mode="min", patience=3)
h = model.fit(X[:1000], y[:1000], validation_data=(X[1000:1250], y[1000:1250]), epochs=15, batch_size=25,
              callbacks=[stop], verbose=2)
print("epochs:", len(h.history["loss"]))
mse = float(model.evaluate(X[1250:], y[1250:], verbose=0))
print("RESULT", json.dumps({"metric": "mse / var(y)", "value": mse / float(y[1250:].var())}))
