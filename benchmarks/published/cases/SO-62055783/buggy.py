import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras
from keras import layers, regularizers
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
keras.utils.set_random_seed(seed)
X, y = load_digits(return_X_y=True)
X = (X / 16.0).reshape(-1, 8, 8, 1).astype("float32")
X_train, y_train, X_test, y_test = X[:1200], y[:1200], X[1200:], y[1200:]

inputs = keras.Input((8, 8, 1))
x = layers.Conv2D(32, 3, padding="same", activation="relu", kernel_regularizer=regularizers.l1(0.1))(inputs)
x = layers.MaxPooling2D()(x)
x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
x = layers.Flatten()(x)
x = layers.Dense(64, activation="relu")(x)
outputs = layers.Dense(10)(x)
model = keras.Model(inputs, outputs)
model.compile(
    optimizer="adam",
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
history = model.fit(X_train, y_train, batch_size=64, epochs=8, validation_data=(X_test, y_test), verbose=2)
print("RESULT " + json.dumps({"metric": "accuracy", "value": history.history["val_accuracy"][-1]}))
