# %% [markdown]
# # A small net in a scikit-learn pipeline: cross-validated search with skorch
# %%
import json
import sys

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import classification_report, roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)

# %%
X, y = load_breast_cancer(return_X_y=True)
X, y = X.astype(np.float32), y.astype(np.int64)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=seed)


# %%
class ClassifierModule(nn.Module):
    def __init__(self, num_units=10, nonlin=nn.ReLU(), dropout=0.5):
        super().__init__()
        self.dense0 = nn.Linear(30, num_units)
        self.nonlin = nonlin
        self.dropout = nn.Dropout(dropout)
        self.dense1 = nn.Linear(num_units, num_units)
        self.output = nn.Linear(num_units, 2)
        self.softmax = nn.Softmax(dim=-1)

    def forward(self, X):
        X = self.nonlin(self.dense0(X))
        X = self.dropout(X)
        X = self.nonlin(self.dense1(X))
        return self.softmax(self.output(X))


net = NeuralNetClassifier(ClassifierModule, max_epochs=20, lr=0.02, optimizer__momentum=0.9, batch_size=32,
                          iterator_train__shuffle=True, train_split=None, verbose=0, optimizer=torch.optim.SGD)
pipe = Pipeline([("scale", StandardScaler()), ("net", net)])
params = {"net__lr": [0.05, 0.02], "net__module__num_units": [10, 20], "net__module__dropout": [0.2, 0.5]}
gs = GridSearchCV(pipe, params, refit=True, cv=StratifiedKFold(3, shuffle=True, random_state=seed), scoring="accuracy")
gs.fit(X_train, y_train)

# %%
for mean, p in zip(gs.cv_results_["mean_test_score"], gs.cv_results_["params"]):
    print(f"{mean:.4f}", p)
print("best:", round(gs.best_score_, 4), gs.best_params_)
history = gs.best_estimator_.named_steps["net"].history
for row in history[::4]:
    print(f"epoch {row['epoch']:2d}  train loss {row['train_loss']:.4f}")
proba = gs.predict_proba(X_test)[:, 1]
print(classification_report(y_test, gs.predict(X_test), digits=3))
print("auc", round(roc_auc_score(y_test, proba), 4))
acc = float(gs.score(X_test, y_test))
print("RESULT", json.dumps({"metric": "test accuracy", "value": round(acc, 4), "good": acc >= 0.94}))
