import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
from keras.layers import BatchNormalization, Conv2D, Dense, Flatten, Input, LeakyReLU

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
keras.utils.set_random_seed(seed)

S = 72


def renders(n):
    yy, xx = np.mgrid[:S, :S]
    images, labels = [], []
    for i in range(n):
        img = np.ones((S, S, 3), dtype="float32") * np.random.uniform(0.9, 1.0)
        colour = np.random.uniform(0.5, 0.8, size=3)
        ox, oy = np.random.randint(-5, 6, size=2)
        cx, cy = S // 2 + ox, S // 2 + oy
        if i % 2 == 0:  # chair: seat, back and two legs
            m = (np.abs(yy - cy) < 3) & (np.abs(xx - cx) < 11)
            m |= (np.abs(xx - cx + 10) < 3) & (yy > cy - 16) & (yy < cy)
            m |= (np.abs(np.abs(xx - cx) - 9) < 2) & (yy > cy) & (yy < cy + 14)
        else:  # lamp: shade, stand, foot
            m = (yy > cy - 16) & (yy < cy - 4) & (np.abs(xx - cx) < 4 + (yy - cy + 16) * 0.6)
            m |= (np.abs(xx - cx) < 2) & (yy >= cy - 4) & (yy < cy + 14)
            m |= (np.abs(yy - cy - 13) < 2) & (np.abs(xx - cx) < 7)
        img[m] = colour
        images.append(img + 0.02 * np.random.randn(S, S, 3))
        labels.append(i % 2)
    return np.array(images, dtype="float32"), np.array(labels, dtype="float32")


train_tensors, train_labels = renders(64)
test_tensors, test_labels = renders(64)

model = keras.models.Sequential()
model.add(Input((S, S, 3)))
model.add(Conv2D(filters=5, kernel_size=(4, 4), strides=2, padding="same"))
model.add(LeakyReLU(negative_slope=0.2))
model.add(Conv2D(filters=10, kernel_size=(4, 4), strides=2, padding="same"))
model.add(BatchNormalization(axis=3))
model.add(LeakyReLU(negative_slope=0.2))
model.add(Flatten())
model.add(Dense(1, activation="sigmoid"))

model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit(train_tensors, train_labels, batch_size=8, epochs=5, shuffle=True, verbose=2)

metrics = model.evaluate(train_tensors, train_labels, verbose=0)
print("training data results:", metrics)
metrics = model.evaluate(test_tensors, test_labels, verbose=0)
print("test data results:", metrics)
print("RESULT", json.dumps({"metric": "test_accuracy", "value": float(metrics[1])}))
