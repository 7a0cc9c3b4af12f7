"""Pipeline leaks: 1.5% positives, focal loss, judged by average precision."""
import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
import torch
from keras import layers
from sklearn.metrics import average_precision_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
keras.utils.set_random_seed(seed)
rng = np.random.default_rng(seed)

n = 40000
pressure_drop = rng.gamma(2.0, 1.0, n)
flow_gap = rng.normal(0, 1, n)
acoustic = rng.lognormal(0, 0.6, n)
age = rng.uniform(0, 40, n)
others = rng.normal(size=(n, 6))
score = 1.3 * pressure_drop + 1.5 * np.abs(flow_gap) + 1.2 * np.log(acoustic) * (age > 20) + 0.03 * age
prob = 1 / (1 + np.exp(-(1.6 * (score - score.mean()) - 9.6)))
leak = (rng.random(n) < prob).astype("float32")
X = np.c_[pressure_drop, flow_gap, np.log(acoustic), age, others].astype("float32")
print(f"share of leaks: {leak.mean():.4f}")

X_rest, X_test, y_rest, y_test, p_rest, p_test = train_test_split(X, leak, prob, test_size=0.3, stratify=leak, random_state=seed)
X_train, X_val, y_train, y_val = train_test_split(X_rest, y_rest, test_size=0.2, stratify=y_rest, random_state=seed)
scaler = StandardScaler().fit(X_train)
X_train, X_val, X_test = (scaler.transform(a).astype("float32") for a in (X_train, X_val, X_test))

rate = float(y_train.mean())
model = keras.Sequential([
    layers.Input((X.shape[1],)),
    layers.Dense(32, activation="relu"),
    layers.Dense(32, activation="relu"),
    layers.Dense(1, activation="sigmoid", bias_initializer=keras.initializers.Constant(np.log(rate / (1 - rate)))),
])
model.compile(optimizer=keras.optimizers.Adam(2e-3),
              loss=keras.losses.BinaryFocalCrossentropy(gamma=2.0, apply_class_balancing=True, alpha=0.75),
              metrics=[keras.metrics.BinaryAccuracy(name="accuracy"), keras.metrics.AUC(curve="PR", name="pr_auc")])
stop = keras.callbacks.EarlyStopping(monitor="val_pr_auc", mode="max", patience=4, restore_best_weights=True)
slow = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.3, patience=2, min_lr=1e-4)
model.fit(X_train, y_train, validation_data=(X_val, y_val), epochs=20, batch_size=256, callbacks=[stop, slow], verbose=2)

ap = average_precision_score(y_test, model.predict(X_test, verbose=0)[:, 0])
best = average_precision_score(y_test, p_test)
print(f"average precision: model {ap:.4f}, true probabilities {best:.4f}, chance {y_test.mean():.4f}")
print("RESULT " + json.dumps({"metric": "average_precision_over_bayes", "value": round(ap / best, 4), "good": bool(ap > 0.9 * best)}))
