import json
import sys

import torch
from torch.utils.data import DataLoader
from transformers import BertConfig, BertForMaskedLM, get_linear_schedule_with_warmup, set_seed

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
set_seed(seed)

PAD, CLS, SEP, MASK = 0, 1, 2, 3
N_SPECIAL, N_WORDS, MAX_LEN = 4, 60, 16

# A small artificial language: each word has three common and some rare followers
generator = torch.Generator().manual_seed(1234)
followers = torch.full((N_WORDS, N_WORDS), 0.02 / N_WORDS)
for w in range(N_WORDS):
    nxt = torch.randperm(N_WORDS, generator=generator)[:2]
    followers[w, nxt] += torch.tensor([0.7, 0.28])


def make_sentence():
    length = int(torch.randint(8, MAX_LEN - 1, (1,)))
    words = [int(torch.randint(N_WORDS, (1,)))]
    while len(words) < length:
        words.append(int(torch.multinomial(followers[words[-1]], 1)))
    ids = [CLS] + [w + N_SPECIAL for w in words] + [SEP]
    return torch.tensor(ids + [PAD] * (MAX_LEN - len(ids)))


corpus = torch.stack([make_sentence() for _ in range(3000)])
train_ids, eval_ids = corpus[:2700], corpus[2700:]


def collate(examples, mlm_probability=0.15):
    """Mask 15 %: of these 80 % [MASK], 10 % a random word, 10 % unchanged."""
    input_ids = torch.stack(examples)
    labels = input_ids.clone()
    probability = torch.full(labels.shape, mlm_probability)
    probability[input_ids < N_SPECIAL] = 0.0
    masked = torch.bernoulli(probability).bool()
    labels[~masked] = -100
    replaced = torch.bernoulli(torch.full(labels.shape, 0.8)).bool() & masked
    input_ids[replaced] = MASK
    randomised = torch.bernoulli(torch.full(labels.shape, 0.5)).bool() & masked & ~replaced
    input_ids[randomised] = torch.randint(N_SPECIAL, N_SPECIAL + N_WORDS, labels.shape)[randomised]
    return {"input_ids": input_ids, "attention_mask": (input_ids != PAD).long(), "labels": labels}


train_loader = DataLoader(train_ids, batch_size=64, shuffle=True, collate_fn=collate)
eval_loader = DataLoader(eval_ids, batch_size=100, collate_fn=collate)

config = BertConfig(vocab_size=N_SPECIAL + N_WORDS, hidden_size=64, num_hidden_layers=2, num_attention_heads=4,
                    intermediate_size=128, max_position_embeddings=MAX_LEN, pad_token_id=PAD,
                    hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
model = BertForMaskedLM(config)
print(f"{model.num_parameters():,} parameters")

no_decay = ["bias", "LayerNorm.weight"]
grouped = [
    {"params": [p for n, p in model.named_parameters() if not any(nd in n for nd in no_decay)], "weight_decay": 0.01},
    {"params": [p for n, p in model.named_parameters() if any(nd in n for nd in no_decay)], "weight_decay": 0.0},
]
num_epochs = 20
optimizer = torch.optim.AdamW(grouped, lr=2e-3)
total = num_epochs * len(train_loader)
scheduler = get_linear_schedule_with_warmup(optimizer, num_warmup_steps=int(0.1 * total), num_training_steps=total)

for epoch in range(num_epochs):
    model.train()
    train_loss = 0.0
    for batch in train_loader:
        outputs = model(**batch)
        loss = outputs.loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        train_loss += loss.item()

    model.eval()
    correct = count = 0
    eval_loss = 0.0
    with torch.no_grad():
        for batch in eval_loader:
            outputs = model(**batch)
            eval_loss += outputs.loss.item()
            asked = batch["labels"] != -100
            correct += (outputs.logits.argmax(-1)[asked] == batch["labels"][asked]).sum().item()
            count += asked.sum().item()
    print(f"epoch {epoch}: train_loss {train_loss / len(train_loader):.3f}  "
          f"eval_loss {eval_loss / len(eval_loader):.3f}  masked accuracy {correct / count:.3f}")

acc = correct / count
print("RESULT", json.dumps({"metric": "masked accuracy", "value": round(acc, 4), "good": acc >= 0.65}))
