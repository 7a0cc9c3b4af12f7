import json
import math
import sys
from random import randint, seed as set_seed

import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
set_seed(seed)
torch.manual_seed(seed)
torch.set_num_threads(1)

# The task here is a seq2seq task which consists in doubling every char
# Example: input "abcd", output "aabbccdd"

CHARS = "qwertyuiop"
BATCH_SIZE = 32
MAX_NUM_STEP = 450
INTERVAL_TEST = 100
MAX_LENGTH = 6


class CharVocab:
    def __init__(self):
        self.idx_to_char = ["P", "S", "E"]
        self.idx_pad_token = 0
        self.idx_start_token = 1
        self.idx_end_token = 2
        self.idx_to_char += [char for char in CHARS]
        self.char_to_idx = {c: k for k, c in enumerate(self.idx_to_char)}

    def __len__(self):
        return len(self.idx_to_char)

    def sent_to_idx(self, sent):
        return [self.char_to_idx[char] for char in sent]

    def idx_to_sent(self, idx_list):
        return "".join([self.idx_to_char[idx] for idx in idx_list])


def create_random_sent(max_length=MAX_LENGTH):
    length = randint(1, max_length)
    return "".join([CHARS[randint(0, len(CHARS) - 1)] for _ in range(length)])


def generate_xy():
    sent_input = create_random_sent()
    label = "".join([f"{char}{char}" for char in sent_input])
    return sent_input, label


def batch_generator(vocab):
    while True:
        x, y = list(zip(*[generate_xy() for _ in range(BATCH_SIZE)]))
        x_idx = [torch.LongTensor(vocab.sent_to_idx(s)) for s in x]
        # add end token as it is used for training loss
        y_idx = [torch.LongTensor(vocab.sent_to_idx(s) + [vocab.idx_end_token]) for s in y]
        x_padded = nn.utils.rnn.pad_sequence(x_idx, batch_first=True)
        y_padded = nn.utils.rnn.pad_sequence(y_idx, batch_first=True)
        yield x_padded, y_padded


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, dropout=0.0, max_len=100):
        super(PositionalEncoding, self).__init__()
        self.dropout = nn.Dropout(p=dropout)
        pe = torch.zeros(max_len, d_model)
        position = torch.arange(0, max_len, dtype=torch.float).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2).float() * (-math.log(10000.0) / d_model))
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe.unsqueeze(1))

    def forward(self, x):
        return self.dropout(x + self.pe[: x.size(0), :])


def generate_square_subsequent_mask(sz):
    """ Generate the attention mask for causal decoding """
    return torch.triu(torch.full((sz, sz), float("-inf")), diagonal=1)


class Model(nn.Module):
    def __init__(self, vocab):
        super(Model, self).__init__()
        hdim = 64
        nhead = 4
        dim_feedforward = hdim * 2
        num_layers = 2
        self.vocab = vocab
        vocab_size = len(vocab)

        self.embedding = nn.Embedding(vocab_size, hdim)
        self.positional_encoding = PositionalEncoding(hdim)
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(d_model=hdim, nhead=nhead, dim_feedforward=dim_feedforward, dropout=0.0),
            num_layers=num_layers, enable_nested_tensor=False)
        self.decoder = nn.TransformerDecoder(
            nn.TransformerDecoderLayer(d_model=hdim, nhead=nhead, dim_feedforward=dim_feedforward, dropout=0.0),
            num_layers=num_layers)
        self.classification_layer = nn.Linear(hdim, vocab_size)

    def encode(self, inputs):
        input_embed = self.positional_encoding(self.embedding(inputs).permute(1, 0, 2))
        memory_mask = inputs == self.vocab.idx_pad_token
        return self.encoder(input_embed, src_key_padding_mask=memory_mask), memory_mask

    def forward(self, inputs, teach_forcing_tokens):
        """teach_forcing_tokens: bsz, output_len. Needs to start with start token."""
        encoded, memory_mask = self.encode(inputs)
        teach_forcing_embed = self.positional_encoding(
            self.embedding(teach_forcing_tokens).permute(1, 0, 2))  # output_len, bsz, hdim
        tgt_mask = generate_square_subsequent_mask(teach_forcing_embed.size(0))
        decoded = self.decoder(
            teach_forcing_embed,
            encoded,
            tgt_mask=tgt_mask,
            memory_key_padding_mask=memory_mask,
        )
        logits = self.classification_layer(decoded)
        return logits.permute(1, 0, 2)  # bsz, output_len, vocab_size

    def predict(self, sent):
        """ Used for inference """
        sent_tensor = torch.LongTensor(self.vocab.sent_to_idx(sent)).unsqueeze(0)
        encoded, memory_mask = self.encode(sent_tensor)
        decoded_tokens = torch.LongTensor([[self.vocab.idx_start_token]])  # len, 1
        output_tokens = []
        while len(output_tokens) < 2 * MAX_LENGTH + 2:  # max length of generation
            decoded_embedding = self.positional_encoding(self.embedding(decoded_tokens))
            tgt_mask = generate_square_subsequent_mask(decoded_tokens.size(0))
            decoded = self.decoder(decoded_embedding, encoded, tgt_mask=tgt_mask,
                                   memory_key_padding_mask=memory_mask)
            logits = self.classification_layer(decoded[-1, :, :])
            new_token = logits.argmax(1).item()
            if new_token == self.vocab.idx_end_token:
                break
            output_tokens.append(new_token)
            decoded_tokens = torch.cat([decoded_tokens, torch.LongTensor([[new_token]])], dim=0)
        return self.vocab.idx_to_sent(output_tokens)


vocab = CharVocab()
model = Model(vocab)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss(ignore_index=vocab.idx_pad_token)

for num_step, data in enumerate(batch_generator(vocab)):
    model.train()
    inputs, labels = data
    start = torch.full_like(labels[:, :1], vocab.idx_start_token)
    teach_forcing_tokens = torch.cat([start, labels[:, :-1]], dim=1)

    optimizer.zero_grad()
    outputs = model(inputs, teach_forcing_tokens)
    loss = criterion(outputs.permute(0, 2, 1), labels)
    loss.backward()
    optimizer.step()

    if num_step % INTERVAL_TEST == 0:  # try inference to check that it works well
        test_sent = create_random_sent()
        model.eval()
        with torch.no_grad():
            print(f"step {num_step} loss {loss.item():.4f} Input {test_sent}, output: {model.predict(test_sent)}")
    if num_step == MAX_NUM_STEP:
        break

# share of the target characters that greedy generation gets right
model.eval()
right = total = 0
with torch.no_grad():
    for _ in range(60):
        x, y = generate_xy()
        out = model.predict(x)
        right += sum(int(i < len(out) and out[i] == c) for i, c in enumerate(y))
        total += max(len(y), len(out))
print("RESULT " + json.dumps({"metric": "character accuracy of generated output", "value": right / total}))
