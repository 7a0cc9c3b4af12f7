import os

os.environ.setdefault("KERAS_BACKEND", "torch")
import json
import sys

import keras
import numpy as np
from keras.layers import LSTM, Dense, Embedding
from keras.models import Sequential

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
keras.utils.set_random_seed(seed)
rng = np.random.RandomState(seed)

vocab_size = 400
sentence_len_max = 20
good, bad = np.arange(10, 60), np.arange(60, 110)


def make_reviews(n):
    term_idx = np.zeros((n, sentence_len_max), dtype="int64")
    labels = rng.randint(0, 2, n)
    for i in range(n):
        words = rng.randint(110, vocab_size, sentence_len_max)
        hits = rng.choice(sentence_len_max, 5, replace=False)
        words[hits] = rng.choice(good if labels[i] else bad, 5)
        length = rng.randint(14, sentence_len_max + 1)
        term_idx[i, sentence_len_max - length:] = words[:length]
    return term_idx, labels.astype("float32")


term_idx_train, y_train = make_reviews(1500)
term_idx_test, y_test = make_reviews(500)

model = Sequential()
model.add(Embedding(input_dim=vocab_size, output_dim=4))
model.add(LSTM(units=4))
model.add(Dense(1, activation="softmax"))
model.compile(loss="binary_crossentropy", optimizer=keras.optimizers.Adam(0.01), metrics=["accuracy"])
model.fit(x=term_idx_train, y=y_train, epochs=6, batch_size=64, validation_split=0.1, verbose=2)

_, acc = model.evaluate(term_idx_test, y_test, verbose=0)
print("RESULT", json.dumps({"metric": "accuracy", "value": float(acc)}))
