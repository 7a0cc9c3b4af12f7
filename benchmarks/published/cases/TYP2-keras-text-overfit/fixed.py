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
VOCAB, MAXLEN = 500, 20


def reviews(n):
    tokens = rng.integers(50, VOCAB, (n, MAXLEN))
    y = rng.integers(0, 2, n)
    for i in range(n):
        k = rng.integers(1, 4)
        where = rng.choice(MAXLEN, k, replace=False)
        tokens[i, where] = rng.integers(0, 25, k) + 25 * y[i]
    flip = rng.random(n) < 0.1
    return tokens, np.where(flip, 1 - y, y).astype("float32")


x_train, y_train = reviews(120)
x_val, y_val = reviews(500)
callbacks = [keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)]
model = keras.Sequential([
    layers.Input((MAXLEN,)),
    layers.Embedding(VOCAB, 64),
    layers.GlobalAveragePooling1D(),
    layers.Dropout(0.5),
    layers.Dense(64, activation="relu"),
    layers.Dense(1, activation="sigmoid"),
])
model.compile(optimizer=keras.optimizers.Adam(3e-3), loss="binary_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, validation_data=(x_val, y_val), epochs=60, batch_size=16, verbose=2, callbacks=callbacks)
val_loss, val_acc = model.evaluate(x_val, y_val, verbose=0)
print("RESULT", json.dumps({"metric": "val_loss", "value": float(val_loss)}))
