"""Tag job advertisements with every category that applies (language, field, level ...)."""
import os
os.environ["KERAS_BACKEND"] = "torch"
import sys
import json
import numpy as np
import torch
import keras
from keras import layers

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
keras.utils.set_random_seed(seed)
rng = np.random.RandomState(seed)

CATEGORIES = ["english", "it", "senior", "remote", "finance", "part_time"]
VOCAB, LENGTH = 600, 24


def make_ads(n):
    """every category owns 30 words; an ad mixes words of its categories with general words"""
    tags = (rng.rand(n, len(CATEGORIES)) < 0.4).astype("float32")
    empty = tags.sum(1) == 0
    tags[empty, rng.randint(0, len(CATEGORIES), empty.sum())] = 1
    ads = rng.randint(200, VOCAB, size=(n, LENGTH))
    for i in range(n):
        pos = rng.permutation(LENGTH)
        k = 0
        for c in np.flatnonzero(tags[i]):
            for _ in range(3):
                ads[i, pos[k]] = 1 + 30 * c + rng.randint(30)
                k += 1
    return ads.astype("int32"), tags


x_train, y_train = make_ads(4000)
x_test, y_test = make_ads(1000)
print("labels per ad:", y_train.sum(1).mean())

model = keras.Sequential([
    keras.Input((LENGTH,), dtype="int32"),
    layers.Embedding(VOCAB, 32),
    layers.GlobalAveragePooling1D(),
    layers.Dense(64, activation="relu"),
    layers.Dense(len(CATEGORIES), activation="softmax"),
])
model.compile(optimizer=keras.optimizers.Adam(3e-3), loss="categorical_crossentropy")
model.fit(x_train, y_train, batch_size=64, epochs=15, verbose=2, validation_data=(x_test, y_test))

pred = model.predict(x_test, verbose=0) > 0.5
truth = y_test > 0.5
tp = (pred & truth).sum()
f1 = 2 * tp / (pred.sum() + truth.sum())
print("predicted labels per ad: %.2f, true: %.2f" % (pred.sum(1).mean(), truth.sum(1).mean()))
print("RESULT", json.dumps({"metric": "micro_f1", "value": round(float(f1), 4)}))
