import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
from keras import layers

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
keras.utils.set_random_seed(seed)
rng = np.random.default_rng(seed)

# passenger id, class, name code, sex, age, siblings, parents, ticket code, fare, cabin code
n = 890
sex = rng.integers(0, 2, n)
pclass = rng.integers(1, 4, n)
age = rng.gamma(6.0, 5.0, n).clip(1, 80)
fare = np.exp(rng.normal(4.0 - 0.9 * pclass, 0.7) + 1.4).clip(5, 512)
X = np.stack(
    [
        np.arange(n), pclass, rng.permutation(n), sex, age, rng.poisson(0.5, n),
        rng.poisson(0.4, n), rng.integers(0, 680, n), fare, rng.integers(0, 147, n),
    ],
    axis=1,
).astype("float32")
score = 2.6 * sex - 1.1 * (pclass - 2) - 0.03 * (age - 30) - 1.3
y = (rng.random(n) < 1 / (1 + np.exp(-1.5 * score))).astype("int64")
Y = keras.utils.to_categorical(y, 2)

split = 700
X_train, X_test, Y_train, Y_test = X[:split], X[split:], Y[:split], Y[split:]

model = keras.Sequential()
model.add(keras.Input(shape=(10,)))
model.add(layers.Dense(512, activation="relu"))
model.add(layers.Dropout(0.5))
model.add(layers.Dense(2, activation="softmax"))
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit(X_train, Y_train, batch_size=16, epochs=10, validation_data=(X_test, Y_test), verbose=2)

loss, acc = model.evaluate(X_test, Y_test, verbose=0)
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
