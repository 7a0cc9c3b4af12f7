"""RankNet in Keras: one scoring tower, used for both sides of a pair, trained on noisy preferences.
The judges follow a Bradley-Terry rule, so the best log-loss that anybody can reach is known."""
import os
os.environ["KERAS_BACKEND"] = "torch"
import json
import sys

import keras
import numpy as np
import torch
from keras import layers
from scipy.stats import spearmanr

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
keras.utils.set_random_seed(seed)
rng = np.random.default_rng(seed)


def utility(x):
    return 1.2 * np.sin(1.5 * x[:, 0]) + 0.8 * x[:, 1] - 0.5 * x[:, 2] ** 2 + 0.6 * x[:, 3] * x[:, 1]


def pairs(n):
    a, b = rng.normal(size=(2, n, 8)).astype("float32")
    p = 1 / (1 + np.exp(-(utility(a) - utility(b))))
    return a, b, (rng.random(n) < p).astype("float32"), p


a, b, won, _ = pairs(20000)
va, vb, vwon, vp = pairs(4000)

scorer = keras.Sequential([layers.Input((8,)), layers.Dense(48, activation="tanh"), layers.Dense(48, activation="tanh"),
                           layers.Dense(1, use_bias=False)], name="scorer")   # a bias would cancel in the difference
left, right = keras.Input((8,), name="left"), keras.Input((8,), name="right")
difference = layers.Subtract()([scorer(left), scorer(right)])
model = keras.Model([left, right], difference)
model.compile(optimizer=keras.optimizers.Adam(2e-3), loss=keras.losses.BinaryCrossentropy(from_logits=True),
              metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)])
callbacks = [keras.callbacks.ReduceLROnPlateau(patience=2, factor=0.3, min_lr=1e-4),
             keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)]
model.fit([a, b], won, batch_size=256, epochs=18, validation_data=([va, vb], vwon), callbacks=callbacks, verbose=2)

ta, tb, twon, tp = pairs(8000)
floor = -np.mean(tp * np.log(tp) + (1 - tp) * np.log(1 - tp))
z = model.predict([ta, tb], verbose=0, batch_size=1000).ravel()
ce = float(np.mean(tp * np.log1p(np.exp(-z)) + (1 - tp) * np.log1p(np.exp(z))))
items = rng.normal(size=(3000, 8)).astype("float32")
rho = float(spearmanr(scorer.predict(items, verbose=0, batch_size=1000).ravel(), utility(items)).statistic)
print(f"expected log-loss {ce:.4f}, floor {floor:.4f}, rank correlation with the true utility {rho:.4f}")
print("RESULT " + json.dumps({"metric": "rank_correlation", "value": round(rho, 4), "good": bool(rho > 0.96 and ce - floor < 0.02)}))
