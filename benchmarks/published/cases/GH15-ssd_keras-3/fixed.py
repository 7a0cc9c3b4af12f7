# One-class object detector in the manner of SSD7 (Keras 3), trained on a CSV-like list of boxes
import os
os.environ["KERAS_BACKEND"] = "torch"
import sys
import json
import numpy as np
import torch
import keras
from keras import layers, ops

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
keras.utils.set_random_seed(seed)
torch.set_num_threads(1)

IMG = 32
GRID = 8
N_CLASSES = 2                      # background is counted
SCALE = 9.0                        # side of the default box


def generate_dataset(n, rng):
    """Street-like noise with one bright, striped sign somewhere. Returns images and csv rows."""
    images, rows = [], []
    for i in range(n):
        im = rng.normal(0.35, 0.08, (IMG, IMG, 3))
        for _ in range(3):
            a, b = rng.randint(0, IMG - 6, 2)
            im[a:a + 6, b:b + 3] += rng.uniform(-0.25, 0.1)
        w, h = rng.randint(7, 13, 2)
        x0, y0 = rng.randint(0, IMG - w), rng.randint(0, IMG - h)
        im[y0:y0 + h, x0:x0 + w] = np.array([0.9, 0.25, 0.2])
        im[y0:y0 + h:3, x0:x0 + w] = 0.95
        images.append(im.clip(0, 1))
        # frame, xmin, xmax, ymin, ymax, class_id
        rows.append((i, x0, x0 + w, y0, y0 + h, 1))
    return np.array(images, dtype="float32"), rows


def default_boxes():
    step = IMG / GRID
    c = (np.arange(GRID) + 0.5) * step
    cx, cy = np.meshgrid(c, c)
    return np.stack([cx.ravel(), cy.ravel(), np.full(GRID ** 2, SCALE), np.full(GRID ** 2, SCALE)], -1)


def iou(boxes, box):
    """boxes, box: (cx, cy, w, h)"""
    x0 = np.maximum(boxes[:, 0] - boxes[:, 2] / 2, box[0] - box[2] / 2)
    x1 = np.minimum(boxes[:, 0] + boxes[:, 2] / 2, box[0] + box[2] / 2)
    y0 = np.maximum(boxes[:, 1] - boxes[:, 3] / 2, box[1] - box[3] / 2)
    y1 = np.minimum(boxes[:, 1] + boxes[:, 3] / 2, box[1] + box[3] / 2)
    inter = np.clip(x1 - x0, 0, None) * np.clip(y1 - y0, 0, None)
    return inter / (boxes[:, 2] * boxes[:, 3] + box[2] * box[3] - inter)


def encode(rows, n_images, anchors):
    y = np.zeros((n_images, len(anchors), N_CLASSES + 4), dtype="float32")
    y[:, :, 0] = 1.0                                  # everything is background at first
    class_vectors = np.eye(N_CLASSES)
    for frame, xmin, xmax, ymin, ymax, class_id in rows:
        box = np.array([(xmin + xmax) / 2, (ymin + ymax) / 2, xmax - xmin, ymax - ymin], dtype=float)
        sim = iou(anchors, box)
        match = sim >= 0.4
        match[sim.argmax()] = True
        y[frame, match, :N_CLASSES] = class_vectors[class_id]
        a = anchors[match]
        y[frame, match, N_CLASSES:] = np.stack([
            (box[0] - a[:, 0]) / a[:, 2] / 0.1, (box[1] - a[:, 1]) / a[:, 3] / 0.1,
            np.log(box[2] / a[:, 2]) / 0.2, np.log(box[3] / a[:, 3]) / 0.2], -1)
    return y


class SSDLoss:
    def __init__(self, neg_pos_ratio=3, n_neg_min=0, alpha=1.0):
        self.neg_pos_ratio, self.n_neg_min, self.alpha = neg_pos_ratio, n_neg_min, alpha

    def compute_loss(self, y_true, y_pred):
        conf_t, loc_t = y_true[:, :, :N_CLASSES], y_true[:, :, N_CLASSES:]
        conf_p, loc_p = y_pred[:, :, :N_CLASSES], y_pred[:, :, N_CLASSES:]
        class_loss = -ops.sum(conf_t * ops.log(ops.maximum(conf_p, 1e-15)), axis=-1)
        diff = ops.abs(loc_t - loc_p)
        loc_loss = ops.sum(ops.where(diff < 1.0, 0.5 * diff ** 2, diff - 0.5), axis=-1)
        negatives = conf_t[:, :, 0]
        positives = ops.max(conf_t[:, :, 1:], axis=-1)
        n_positive = ops.sum(positives)
        pos_class_loss = ops.sum(class_loss * positives)
        # hard negative mining over the whole batch
        neg_all = ops.reshape(class_loss * negatives, (-1,))
        n_keep = max(self.neg_pos_ratio * int(n_positive), self.n_neg_min)
        n_keep = min(n_keep, int(ops.sum(ops.cast(neg_all > 0, "int32"))))
        if n_keep > 0:
            neg_class_loss = ops.sum(ops.top_k(neg_all, n_keep)[0])
        else:
            neg_class_loss = ops.sum(neg_all) * 0.0
        total = pos_class_loss + neg_class_loss + self.alpha * ops.sum(loc_loss * positives)
        return total / ops.maximum(1.0, n_positive)


def build_model():
    inp = keras.Input((IMG, IMG, 3))
    x = inp
    for filters, pool in ((16, True), (32, True), (32, False)):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ELU()(x)
        if pool:
            x = layers.MaxPooling2D(2)(x)
    conf = layers.Conv2D(N_CLASSES, 3, padding="same")(x)
    loc = layers.Conv2D(4, 3, padding="same")(x)
    conf = layers.Softmax()(layers.Reshape((-1, N_CLASSES))(conf))
    out = layers.Concatenate(axis=-1)([conf, layers.Reshape((-1, 4))(loc)])
    return keras.Model(inp, out)


def mean_iou_of_best_box(model, images, rows, anchors):
    pred = model.predict(images, batch_size=64, verbose=0)
    scores = []
    for frame, xmin, xmax, ymin, ymax, _ in rows:
        p = pred[frame]
        k = p[:, 1].argmax()
        a, o = anchors[k], p[k, N_CLASSES:]
        box = np.array([a[0] + o[0] * 0.1 * a[2], a[1] + o[1] * 0.1 * a[3],
                        a[2] * np.exp(o[2] * 0.2), a[3] * np.exp(o[3] * 0.2)])
        truth = np.array([(xmin + xmax) / 2, (ymin + ymax) / 2, xmax - xmin, ymax - ymin], dtype=float)
        scores.append(iou(box[None], truth)[0])
    return float(np.mean(scores))


rng = np.random.RandomState(seed)
train_images, train_rows = generate_dataset(480, rng)
val_images, val_rows = generate_dataset(200, rng)
anchors = default_boxes()
y_train = encode(train_rows, len(train_images), anchors)
y_val = encode(val_rows, len(val_images), anchors)

model = build_model()
ssd_loss = SSDLoss(neg_pos_ratio=3, n_neg_min=0, alpha=1.0)
model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.001), loss=ssd_loss.compute_loss)
model.fit(train_images, y_train, batch_size=16, epochs=8, validation_data=(val_images, y_val), verbose=2)

score = mean_iou_of_best_box(model, val_images, val_rows, anchors)
print("mean IoU of the best box on the validation images: %.3f" % score)
print("RESULT " + json.dumps({"metric": "val_mean_iou", "value": round(score, 4)}))
