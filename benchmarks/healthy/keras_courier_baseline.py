"""Delivery times: a linear baseline, then a network with embeddings; both in Keras."""
import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
import torch
from keras import layers

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
keras.utils.set_random_seed(seed)
rng = np.random.default_rng(seed)

N, ZONES, NOISE = 24000, 20, 4.0
zone = rng.integers(0, ZONES, N)
hour = rng.uniform(8, 22, N)
km = rng.gamma(3.0, 1.2, N)
parcels = rng.poisson(4, N)
rain = rng.random(N) < 0.25
pace = rng.uniform(2.0, 6.0, ZONES)                       # minutes per km, by zone
rush = np.exp(-0.5 * ((hour - 9) / 1.0) ** 2) + 1.2 * np.exp(-0.5 * ((hour - 18) / 1.3) ** 2)
mean = 5 + km * pace[zone] * (1 + 0.9 * rush) * (1 + 0.35 * rain) + 1.0 * parcels
minutes = mean + NOISE * rng.normal(size=N)

numeric = np.c_[hour, km, parcels, rain].astype("float32")
a, b = int(0.7 * N), int(0.85 * N)
mu, sd = numeric[:a].mean(0), numeric[:a].std(0)
numeric = (numeric - mu) / sd
y_mu, y_sd = minutes[:a].mean(), minutes[:a].std()
y = ((minutes - y_mu) / y_sd).astype("float32")


def r2(pred, lo, hi):
    return 1 - np.mean((pred - y[lo:hi]) ** 2) / np.var(y[lo:hi])


# baseline ------------------------------------------------------------------------------
linear = keras.Sequential([layers.Input((4,)), layers.Dense(1)], name="linear_baseline")
linear.compile(optimizer=keras.optimizers.SGD(0.02, momentum=0.9), loss="mse")
linear.fit(numeric[:a], y[:a], validation_data=(numeric[a:b], y[a:b]), epochs=5, batch_size=256, verbose=2)
r2_linear = r2(linear.predict(numeric[b:], verbose=0)[:, 0], b, N)

# network -------------------------------------------------------------------------------
in_num = layers.Input((4,), name="numeric")
in_zone = layers.Input((1,), dtype="int32", name="zone")
z = layers.Flatten()(layers.Embedding(ZONES, 4)(in_zone))
h = layers.Concatenate()([in_num, z])
h = layers.Dense(64, activation="gelu")(h)
h = layers.Dense(64, activation="gelu")(h)
deep = keras.Model({"numeric": in_num, "zone": in_zone}, layers.Dense(1)(h), name="deep")
EPOCHS = 20
schedule = keras.optimizers.schedules.CosineDecay(4e-3, EPOCHS * -(-a // 256))
deep.compile(optimizer=keras.optimizers.AdamW(schedule, weight_decay=1e-4), loss="mse")
pack = lambda lo, hi: {"numeric": numeric[lo:hi], "zone": zone[lo:hi, None].astype("int32")}
deep.fit(pack(0, a), y[:a], validation_data=(pack(a, b), y[a:b]), epochs=EPOCHS, batch_size=256, verbose=2)
r2_deep = r2(deep.predict(pack(b, N), verbose=0)[:, 0], b, N)

bayes = 1 - NOISE ** 2 / np.var(minutes[b:])
print(f"test R2: linear {r2_linear:.4f}, deep {r2_deep:.4f}, true mean {bayes:.4f}")
good = r2_deep > bayes - 0.025 and r2_deep > r2_linear + 0.05
print("RESULT " + json.dumps({"metric": "deep_test_r2", "value": round(float(r2_deep), 4), "good": bool(good)}))
