"""Five-fold cross-validation in Keras: five models, one after the other, each starts from scratch."""

import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
keras.utils.set_random_seed(seed)
X, y = load_breast_cancer(return_X_y=True)


def build():
    model = keras.Sequential([
        keras.Input((30,)),
        keras.layers.Dense(24, activation="relu"),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(1, activation="sigmoid"),
    ])
    model.compile(optimizer=keras.optimizers.Adam(5e-3), loss="binary_crossentropy", metrics=["accuracy"])
    return model


scores = []
for fold, (train, test) in enumerate(StratifiedKFold(5, shuffle=True, random_state=seed).split(X, y)):
    scaler = StandardScaler().fit(X[train])
    model = build()
    model.fit(scaler.transform(X[train]), y[train], epochs=6, batch_size=32, verbose=0)
    _, acc = model.evaluate(scaler.transform(X[test]), y[test], verbose=0)
    scores.append(float(acc))
    print(f"fold {fold}: {acc:.4f}")
mean = float(np.mean(scores))
print("RESULT", json.dumps({"metric": "mean_fold_acc", "value": round(mean, 4), "good": mean >= 0.95}))
