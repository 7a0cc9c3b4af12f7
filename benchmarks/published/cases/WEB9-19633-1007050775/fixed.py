import os

os.environ.setdefault("KERAS_BACKEND", "torch")
import json
import sys

import keras
import numpy as np
from keras.layers import Activation, Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from keras.models import Sequential
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
keras.utils.set_random_seed(seed)

X, y = load_digits(n_class=3, return_X_y=True)
perm = np.random.RandomState(seed).permutation(len(X))
X = (X[perm] / 16.0).reshape(-1, 8, 8, 1).astype("float32")
y = y[perm]
x_train, y_train, x_test, y_test = X[:380], y[:380], X[380:], y[380:]



def binary_crossentropy(y_true, y_pred):
    p = keras.ops.clip(y_pred, 1e-7, 1 - 1e-7)
    return -keras.ops.mean(y_true * keras.ops.log(p) + (1 - y_true) * keras.ops.log(1 - p))


crossentropy = "sparse_categorical_crossentropy"

model = Sequential()
model.add(keras.Input((8, 8, 1)))
model.add(Conv2D(16, (3, 3)))
model.add(Activation("relu"))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Flatten())
model.add(Dense(64))
model.add(Activation("relu"))
model.add(Dropout(0.5))
model.add(Dense(3))
model.add(Activation("softmax"))
model.compile(loss=crossentropy, optimizer="rmsprop", metrics=["accuracy"])

model.fit(x_train, y_train.astype("float32"), batch_size=16, epochs=10, verbose=2, validation_data=(x_test, y_test.astype("float32")))
score = model.evaluate(x_test, y_test.astype("float32"), verbose=0)
print("Test accuracy:", score[1])
print("RESULT", json.dumps({"metric": "accuracy", "value": float(score[1])}))
