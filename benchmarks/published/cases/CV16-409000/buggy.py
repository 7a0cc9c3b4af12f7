import os
os.environ["KERAS_BACKEND"] = "torch"
import json
import sys

import numpy as np
import torch
import keras
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
keras.utils.set_random_seed(seed)
rng = np.random.RandomState(seed)


def load_housing(n=3000):
    income = rng.lognormal(1.2, 0.4, n)
    age = rng.uniform(1, 52, n)
    rooms = rng.normal(5.4, 1.0, n)
    people = rng.lognormal(1.0, 0.25, n)
    lat = rng.uniform(32, 42, n)
    lon = rng.uniform(-124, -114, n)
    coast = np.exp(-np.abs(lon + 0.9 * (lat - 32) + 117.5) / 2.0)
    price = 45000 * income + 140000 * coast + 9000 * rooms + 600 * age - 11000 * people
    price = price * (1 + 0.15 * np.sin(lat)) + rng.normal(0, 12000, n)
    return np.c_[income, age, rooms, people, lat, lon], np.clip(price, 15000, None)


X, y = load_housing()
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=seed)
scaler = StandardScaler().fit(X_train)
X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
print("mean price: %.0f  std: %.0f" % (y_train.mean(), y_train.std()))

y_mean, y_std = 0.0, 1.0

model = keras.Sequential([
    keras.Input((X_train.shape[1],)),
    keras.layers.Dense(30, activation="relu"),
    keras.layers.Dense(30, activation="relu"),
    keras.layers.Dense(1),
])
model.compile(loss="mse", optimizer=keras.optimizers.Adam(1e-3))
history = model.fit(X_train, (y_train - y_mean) / y_std, batch_size=32, epochs=40, verbose=2)

pred = model.predict(X_test, verbose=0).ravel() * y_std + y_mean
rmse = float(np.sqrt(np.mean((pred - y_test) ** 2)))
print("mean prediction: %.0f" % pred.mean())
print("RESULT", json.dumps({"metric": "test_rmse_dollars", "value": round(rmse, 1)}))
