import os
os.environ["KERAS_BACKEND"] = "torch"
import json
import sys

import numpy as np
import torch
import keras
from keras import layers
from sklearn.datasets import make_classification
from sklearn.metrics import recall_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
keras.utils.set_random_seed(seed)
torch.set_num_threads(1)
rng = np.random.default_rng(seed)


def adasyn(X, y, k=5):
    """oversample the minority class (1) until both classes have the same size"""
    X_min = X[y == 1]
    need = int((y == 0).sum() - len(X_min))
    nn_all = NearestNeighbors(n_neighbors=k + 1).fit(X)
    nb = nn_all.kneighbors(X_min, return_distance=False)[:, 1:]
    ratio = (y[nb] == 0).mean(axis=1) + 1e-6
    counts = rng.multinomial(need, ratio / ratio.sum())
    nn_min = NearestNeighbors(n_neighbors=k + 1).fit(X_min)
    nb_min = nn_min.kneighbors(X_min, return_distance=False)[:, 1:]
    new = []
    for i, c in enumerate(counts):
        for _ in range(c):
            j = nb_min[i, rng.integers(k)]
            new.append(X_min[i] + rng.random() * (X_min[j] - X_min[i]))
    X_new = np.vstack([X, np.array(new)])
    y_new = np.concatenate([y, np.ones(len(new), int)])
    return X_new, y_new


X, y = make_classification(n_samples=12000, n_features=20, n_informative=6, n_redundant=2, n_clusters_per_class=4,
                           weights=[0.93], class_sep=1.6, flip_y=0.0, random_state=seed)
# last year's customers, never touched below, only for the follow-up at the end
X, X_follow, y, y_follow = train_test_split(X, y, test_size=0.4, stratify=y, random_state=seed)

scaler = StandardScaler().fit(X)
X, X_follow = scaler.transform(X), scaler.transform(X_follow)

X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)
X_train, y_train = adasyn(X_train, y_train)
print("train", np.bincount(y_train), "test", np.bincount(y_test))

model = keras.Sequential([
    keras.Input((X_train.shape[1],)),
    layers.Dense(30, activation="tanh"),
    layers.Dense(1, activation="sigmoid"),
])
model.compile(optimizer=keras.optimizers.Adam(5e-3), loss="binary_crossentropy", metrics=["accuracy"])
model.fit(X_train, y_train, validation_data=(X_test, y_test), epochs=12, batch_size=64, verbose=2)


def recall(X, y):
    return recall_score(y, model.predict(X, verbose=0)[:, 0] > 0.5)


test_recall, follow_recall = recall(X_test, y_test), recall(X_follow, y_follow)
print("recall on the test set %.3f, recall on the follow-up customers %.3f" % (test_recall, follow_recall))
print("RESULT " + json.dumps({"metric": "test_minus_followup_recall", "value": round(abs(float(test_recall - follow_recall)), 4)}))
