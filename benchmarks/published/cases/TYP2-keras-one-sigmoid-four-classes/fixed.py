import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras
from keras import layers
from sklearn.datasets import make_classification

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
keras.utils.set_random_seed(seed)
X, y = make_classification(1600, 16, n_informative=8, n_classes=4, n_clusters_per_class=1, class_sep=1.6, random_state=seed)
X = (X - X.mean(0)) / X.std(0)


class Classifier(keras.Model):
    def __init__(self):
        super().__init__()
        self.d1 = layers.Dense(48, activation="relu")
        self.d2 = layers.Dense(24, activation="relu")
        self.out = layers.Dense(4, activation="softmax")

    def call(self, x):
        return self.out(self.d2(self.d1(x)))


clf = Classifier()
clf.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
clf.fit(X[:1200], y[:1200], epochs=12, batch_size=32, verbose=2)
pred = clf.predict(X[1200:], verbose=0)
classes = pred.argmax(1)
acc = float((classes == y[1200:]).mean())
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
