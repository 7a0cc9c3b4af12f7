"""Language modeling with nn.TransformerEncoder (small word-level corpus)."""
import sys
import json
import math
import time
import numpy as np
import torch
from torch import nn, Tensor
from torch.nn import TransformerEncoder, TransformerEncoderLayer

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
torch.set_num_threads(1)


class TransformerModel(nn.Module):

    def __init__(self, ntoken: int, d_model: int, nhead: int, d_hid: int, nlayers: int, dropout: float = 0.5):
        super().__init__()
        self.model_type = 'Transformer'
        self.pos_encoder = PositionalEncoding(d_model, dropout)
        encoder_layers = TransformerEncoderLayer(d_model, nhead, d_hid, dropout)
        self.transformer_encoder = TransformerEncoder(encoder_layers, nlayers, enable_nested_tensor=False)
        self.embedding = nn.Embedding(ntoken, d_model)
        self.d_model = d_model
        self.linear = nn.Linear(d_model, ntoken)
        self.init_weights()

    def init_weights(self) -> None:
        initrange = 0.1
        self.embedding.weight.data.uniform_(-initrange, initrange)
        self.linear.bias.data.zero_()
        self.linear.weight.data.uniform_(-initrange, initrange)

    def forward(self, src: Tensor, src_mask: Tensor = None) -> Tensor:
        """
        Arguments:
            src: Tensor, shape ``[seq_len, batch_size]``
            src_mask: Tensor, shape ``[seq_len, seq_len]``

        Returns:
            output Tensor of shape ``[seq_len, batch_size, ntoken]``
        """
        src = self.embedding(src) * math.sqrt(self.d_model)
        src = self.pos_encoder(src)
        output = self.transformer_encoder(src, src_mask)
        output = self.linear(output)
        return output


class PositionalEncoding(nn.Module):

    def __init__(self, d_model: int, dropout: float = 0.1, max_len: int = 500):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(max_len, 1, d_model)
        pe[:, 0, 0::2] = torch.sin(position * div_term)
        pe[:, 0, 1::2] = torch.cos(position * div_term)
        self.register_buffer('pe', pe)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(x + self.pe[:x.size(0)])


def make_corpus(n_words, rng, table):
    """a second-order word chain: every pair of words has a few likely followers"""
    V = table.shape[0]
    out = [0, 1]
    for _ in range(n_words):
        followers = table[out[-1], out[-2] % table.shape[1]]
        out.append(int(followers[0]) if rng.rand() < 0.85 else int(rng.randint(V)))
    return torch.tensor(out, dtype=torch.long)


def batchify(data: Tensor, bsz: int) -> Tensor:
    seq_len = data.size(0) // bsz
    return data[:seq_len * bsz].view(bsz, seq_len).t().contiguous()


bptt = 20


def get_batch(source: Tensor, i: int):
    seq_len = min(bptt, len(source) - 1 - i)
    data = source[i:i + seq_len]
    target = source[i + 1:i + 1 + seq_len].reshape(-1)
    return data, target


vocab_size = 40
rng = np.random.RandomState(seed + 11)
table = rng.randint(0, vocab_size, size=(vocab_size, 2, 1))
train_data = batchify(make_corpus(32000, rng, table), 20)
val_data = batchify(make_corpus(3000, rng, table), 10)

ntokens = vocab_size
emsize, d_hid, nlayers, nhead, dropout = 64, 128, 2, 2, 0.1
model = TransformerModel(ntokens, emsize, nhead, d_hid, nlayers, dropout)

criterion = nn.CrossEntropyLoss()
lr = 1.0
optimizer = torch.optim.SGD(model.parameters(), lr=lr)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.9)


def train(model: nn.Module) -> None:
    model.train()
    total_loss, log_interval, start_time = 0., 40, time.time()
    num_batches = len(train_data) // bptt
    for batch, i in enumerate(range(0, train_data.size(0) - 1, bptt)):
        data, targets = get_batch(train_data, i)
        output = model(data)
        loss = criterion(output.view(-1, ntokens), targets)

        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()

        total_loss += loss.item()
        if batch % log_interval == 0 and batch > 0:
            cur = total_loss / log_interval
            print(f'| epoch {epoch:3d} | {batch:5d}/{num_batches:5d} batches | lr {scheduler.get_last_lr()[0]:02.2f} '
                  f'| loss {cur:5.2f} | ppl {math.exp(cur):8.2f}')
            total_loss, start_time = 0, time.time()


def evaluate(model: nn.Module, eval_data: Tensor) -> float:
    model.eval()
    total_loss = 0.
    with torch.no_grad():
        for i in range(0, eval_data.size(0) - 1, bptt):
            data, targets = get_batch(eval_data, i)
            output = model(data).view(-1, ntokens)
            total_loss += data.size(0) * criterion(output, targets).item()
    return total_loss / (len(eval_data) - 1)


def continuation_accuracy(model: nn.Module, eval_data: Tensor) -> float:
    """give the model a prompt and let it name the next word"""
    model.eval()
    hits = total = 0
    with torch.no_grad():
        for i in range(0, eval_data.size(0) - 13, 3):
            prompt, answer = eval_data[i:i + 12], eval_data[i + 12]
            hits += (model(prompt)[-1].argmax(-1) == answer).sum().item()
            total += answer.numel()
    return hits / total


epochs = 12
for epoch in range(1, epochs + 1):
    train(model)
    val_loss = evaluate(model, val_data)
    print(f'| end of epoch {epoch:3d} | valid loss {val_loss:5.2f} | valid ppl {math.exp(val_loss):8.2f}')
    scheduler.step()

acc = continuation_accuracy(model, val_data)
print(f'next word after a prompt: {acc:.3f}')
print('RESULT ' + json.dumps({"metric": "val_next_word_accuracy", "value": round(acc, 4)}))
