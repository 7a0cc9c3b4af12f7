import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
from keras.layers import LSTM, Dense
from keras.models import Sequential

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
keras.utils.set_random_seed(seed)

n_timesteps, n_features, n_outputs = 5, 10, 1
# ten label-encoded categories at five time steps
codes = np.random.randint(0, 6, (1500, n_timesteps, n_features)).astype("float32")
risk = (codes[:, :, 0] > 3).sum(1) + (codes[:, :, 3] < 2).sum(1) - (codes[:, :, 7] == 5).sum(1)
y = (risk > 2.9).astype("float32").reshape(-1, 1)
X = codes / 5.0
X_train, y_train, X_test, y_test = X[:1200], y[:1200], X[1200:], y[1200:]

model = Sequential()
model.add(keras.Input((n_timesteps, n_features)))
model.add(LSTM(32))
model.add(Dense(n_outputs, activation="sigmoid"))
model.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.Adam(0.01))
model.fit(X_train, y_train, epochs=10, batch_size=40, verbose=2)
pred = model.predict(X_test, verbose=0) > 0.5
acc = float((pred == (y_test > 0.5)).mean())
print("share of ones:", y_test.mean(), "predicted:", pred.mean(), "accuracy:", acc)
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
