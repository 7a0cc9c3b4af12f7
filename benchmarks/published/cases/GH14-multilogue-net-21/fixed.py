import numpy as np, torch, torch.nn as nn, torch.optim as optim, torch.nn.functional as F
import sys, json
from sklearn.metrics import f1_score, confusion_matrix, accuracy_score, balanced_accuracy_score

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(SEED)
torch.manual_seed(SEED)
torch.set_num_threads(1)

D_m_text, D_m_audio, D_m_video = 30, 24, 12


class MOSEICategorical:
    """Dialogues of up to 10 utterances, three modalities, one binary emotion label per utterance"""
    def __init__(self, n_dialogues, emotion_rate, rng, protos):
        T = 10
        lengths = rng.randint(5, T + 1, size=n_dialogues)
        self.umask = (np.arange(T)[None] < lengths[:, None]).astype(np.float32)
        self.label = np.zeros((n_dialogues, T), np.int64)
        self.text = rng.normal(size=(n_dialogues, T, D_m_text)).astype(np.float32)
        self.acou = rng.normal(size=(n_dialogues, T, D_m_audio)).astype(np.float32)
        self.visu = rng.normal(size=(n_dialogues, T, D_m_video)).astype(np.float32)
        for i in range(n_dialogues):
            mood = 0
            for t in range(lengths[i]):
                p = emotion_rate * 0.7 if not mood else 0.40
                mood = int(rng.rand() < p)
                self.label[i, t] = mood
                if mood:
                    self.text[i, t] += protos[0]
                    self.acou[i, t] += protos[1]
                    self.visu[i, t] += protos[2]
        self.tensors = [torch.from_numpy(a) for a in (self.text, self.visu, self.acou, self.umask, self.label)]

    def batches(self, batch_size, shuffle):
        n = len(self.label)
        order = torch.randperm(n) if shuffle else torch.arange(n)
        for idx in order.split(batch_size):
            yield [t[idx] for t in self.tensors]


class MaskedNLLLoss(nn.Module):
    def __init__(self, weight=None):
        super(MaskedNLLLoss, self).__init__()
        self.weight = weight
        self.loss = nn.NLLLoss(weight=weight, reduction='none')

    def forward(self, pred, target, mask):
        mask_ = mask.reshape(-1)
        losses = self.loss(pred, target) * mask_
        if self.weight is None:
            return losses.sum() / mask_.sum()
        return losses.sum() / (self.weight[target] * mask_).sum()


class ModalityGRU(nn.Module):
    def __init__(self, d_in, d_h, dropout):
        super().__init__()
        self.rnn = nn.GRU(d_in, d_h, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        return self.dropout(self.rnn(x)[0])


class CategoricalModel(nn.Module):
    def __init__(self, d_h=16, n_classes=2, dropout=0.5):
        super().__init__()
        self.t = ModalityGRU(D_m_text, d_h, dropout)
        self.a = ModalityGRU(D_m_audio, d_h, dropout)
        self.v = ModalityGRU(D_m_video, d_h, dropout)
        self.gate = nn.Linear(6 * d_h, 3)
        self.linear = nn.Linear(6 * d_h, 48)
        self.smax_fc = nn.Linear(48, n_classes)

    def forward(self, textf, acouf, visuf):
        hs = [self.t(textf), self.a(acouf), self.v(visuf)]
        h = torch.cat(hs, -1)
        alpha = torch.softmax(self.gate(h), -1)
        h = torch.cat([hs[k] * alpha[..., k:k + 1] * 3 for k in range(3)], -1)
        return F.log_softmax(self.smax_fc(F.relu(self.linear(h))), -1), alpha


def train_or_eval_model(model, loss_function, dataset, batch_size, optimizer=None, train=False):
    losses, preds, labels, masks = [], [], [], []
    model.train(train)
    for textf, visuf, acouf, umask, label in dataset.batches(batch_size, shuffle=train):
        if train:
            optimizer.zero_grad()
        log_prob, _ = model(textf, acouf, visuf)
        lp_ = log_prob.reshape(-1, log_prob.size(2))
        labels_ = label.view(-1)
        loss = loss_function(lp_, labels_, umask)
        preds.append(lp_.argmax(1).numpy())
        labels.append(labels_.numpy())
        masks.append(umask.view(-1).numpy())
        losses.append(loss.item() * masks[-1].sum())
        if train:
            loss.backward()
            optimizer.step()
    preds, labels, masks = np.concatenate(preds), np.concatenate(labels), np.concatenate(masks)
    keep = masks > 0
    avg_loss = np.sum(losses) / np.sum(masks)
    return avg_loss, preds[keep], labels[keep]


if __name__ == '__main__':
    emotion = 'fear'
    lr, l2, batch_size, n_epochs = 1e-3, 1e-5, 64, 12

    rng = np.random.RandomState(SEED + 50)
    protos = [rng.normal(size=d) * s for d, s in ((D_m_text, 0.34), (D_m_audio, 0.30), (D_m_video, 0.34))]
    trainset = MOSEICategorical(2400, 0.0816, rng, protos)
    testset = MOSEICategorical(300, 0.0816, rng, protos)
    print('share of label 1 in train: %.4f' % trainset.label[trainset.umask > 0].mean())

    if emotion == 'anger': loss_weights = torch.FloatTensor([1/0.7872, 1/0.2128])
    elif emotion == 'sadness': loss_weights = torch.FloatTensor([1/0.7454, 1/0.2546])
    elif emotion == 'fear': loss_weights = torch.FloatTensor([1/0.9184, 1/0.0816])
    elif emotion == 'surprise': loss_weights = torch.FloatTensor([1/0.9014, 1/0.0986])
    loss_function = MaskedNLLLoss(loss_weights)

    model = CategoricalModel()
    optimizer = optim.Adam(model.parameters(), lr=lr, weight_decay=l2)

    for e in range(n_epochs):
        train_loss, tp, tl = train_or_eval_model(model, loss_function, trainset, batch_size, optimizer, True)
        test_loss, pred, label = train_or_eval_model(model, loss_function, testset, batch_size)
        if e % 2 == 0 or e == n_epochs - 1:
            print('epoch %d train loss %.4f test loss %.4f test acc %.2f f1 %.2f' % (
                e, train_loss, test_loss, 100 * accuracy_score(label, pred), 100 * f1_score(label, pred, average='weighted')))

    print(confusion_matrix(label, pred))
    print('RESULT ' + json.dumps({"metric": "test_balanced_accuracy", "value": round(float(balanced_accuracy_score(label, pred)), 4)}))
