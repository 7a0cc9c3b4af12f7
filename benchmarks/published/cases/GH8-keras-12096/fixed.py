import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
from keras.layers import Conv2D, Dense, Flatten, Input, MaxPooling2D
from keras.models import Sequential

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
keras.utils.set_random_seed(seed)

S = 45


def pictures(n):
    yy, xx = np.mgrid[:S, :S].astype("float32")
    X, y = [], []
    for i in range(n):
        img = np.random.uniform(0.2, 0.5) + 0.08 * np.random.randn(S, S)
        cx, cy = np.random.uniform(17, 28, size=2)
        r = np.random.uniform(8, 11)
        img[(xx - cx) ** 2 + (yy - cy) ** 2 < r * r] += 0.35
        if i % 2 == 0:  # dog: hanging ears
            ear = (np.abs(np.abs(xx - cx) - r) < 2.5) & (yy > cy - 2) & (yy < cy + 10)
        else:  # cat: pointed ears
            d = np.abs(np.abs(xx - cx) - 6)
            ear = (yy < cy - r + 4) & (yy > cy - r - 7) & (d < (yy - (cy - r - 7)) * 0.4)
        img[ear] += 0.35
        X.append(np.clip(img, 0, 1))
        y.append([1, 0] if i % 2 == 0 else [0, 1])
    return np.array(X, dtype="float32")[..., None], np.array(y, dtype="float32")


X, y = pictures(300)
X_val, y_val = pictures(120)

model = Sequential()
model.add(Input((S, S, 1)))
model.add(Conv2D(24, (11, 11), activation="relu"))
model.add(MaxPooling2D(pool_size=(3, 3), strides=2))
model.add(Flatten())
model.add(Dense(2, activation="softmax"))

model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit(X, y, epochs=10, batch_size=20, validation_data=(X_val, y_val), verbose=2)

loss, acc = model.evaluate(X_val, y_val, verbose=0)
print(model.predict(X_val[:4], verbose=0))
print("RESULT", json.dumps({"metric": "val_accuracy", "value": float(acc)}))
