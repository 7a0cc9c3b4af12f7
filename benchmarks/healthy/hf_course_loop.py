"""News topics with a DistilBERT from scratch: dynamic padding, masks, two weight decay groups, gradient accumulation."""
import json
import math
import random
import sys

import torch
from torch.optim import AdamW
from torch.utils.data import DataLoader
from transformers import DistilBertConfig, DistilBertForSequenceClassification, get_scheduler

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
torch.manual_seed(seed)

PAD, CLS, SEP, VOCAB, TOPICS = 0, 1, 2, 800, 4
COMMON = list(range(3, 403))
ZIPF = [1 / (i + 1) for i in range(len(COMMON))]
TOPIC = [list(range(403 + 90 * k, 403 + 90 * (k + 1))) for k in range(TOPICS)]


def story():
    label = random.randrange(TOPICS)
    n = random.randint(8, 36)
    words = []
    for _ in range(n):
        u = random.random()
        if u < 0.68:
            words.append(random.choices(COMMON, ZIPF)[0])
        elif u < 0.90:
            words.append(random.choice(TOPIC[label]))
        else:
            words.append(random.choice(TOPIC[random.randrange(TOPICS)]))
    return {"input_ids": [CLS] + words + [SEP], "label": label}


class DataCollatorWithPadding:
    def __call__(self, features):
        longest = max(len(f["input_ids"]) for f in features)
        ids = torch.full((len(features), longest), PAD)
        mask = torch.zeros(len(features), longest, dtype=torch.long)
        for row, f in enumerate(features):
            ids[row, :len(f["input_ids"])] = torch.tensor(f["input_ids"])
            mask[row, :len(f["input_ids"])] = 1
        return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([f["label"] for f in features])}


raw = {"train": [story() for _ in range(4000)], "validation": [story() for _ in range(800)]}
collator = DataCollatorWithPadding()
train_dataloader = DataLoader(raw["train"], shuffle=True, batch_size=16, collate_fn=collator)
eval_dataloader = DataLoader(raw["validation"], batch_size=100, collate_fn=collator)

config = DistilBertConfig(vocab_size=VOCAB, max_position_embeddings=64, dim=64, n_layers=2, n_heads=4, hidden_dim=128,
                          num_labels=TOPICS, pad_token_id=PAD)
model = DistilBertForSequenceClassification(config)

no_decay = ["bias", "LayerNorm.weight", "layer_norm.weight"]
groups = [
    {"params": [p for n, p in model.named_parameters() if not any(nd in n for nd in no_decay)], "weight_decay": 0.01},
    {"params": [p for n, p in model.named_parameters() if any(nd in n for nd in no_decay)], "weight_decay": 0.0},
]
optimizer = AdamW(groups, lr=1e-3)
gradient_accumulation_steps = 2
num_epochs = 3
num_training_steps = num_epochs * math.ceil(len(train_dataloader) / gradient_accumulation_steps)
lr_scheduler = get_scheduler("linear", optimizer=optimizer, num_warmup_steps=num_training_steps // 10,
                             num_training_steps=num_training_steps)
print(f"***** Running training *****\n  Num examples = {len(raw['train'])}\n  Total optimization steps = {num_training_steps}")

completed = 0
for epoch in range(num_epochs):
    model.train()
    total_loss = 0.0
    for step, batch in enumerate(train_dataloader):
        outputs = model(**batch)
        loss = outputs.loss
        total_loss += loss.item()
        (loss / gradient_accumulation_steps).backward()
        if (step + 1) % gradient_accumulation_steps == 0 or step == len(train_dataloader) - 1:
            optimizer.step()
            lr_scheduler.step()
            optimizer.zero_grad()
            completed += 1
            if completed % 50 == 0:
                print(f"  step {completed}/{num_training_steps} loss {loss.item():.4f} lr {lr_scheduler.get_last_lr()[0]:.2e}")

    model.eval()
    correct = count = 0
    eval_loss = 0.0
    for batch in eval_dataloader:
        with torch.no_grad():
            outputs = model(**batch)
        predictions = torch.argmax(outputs.logits, dim=-1)
        eval_loss += outputs.loss.item() / len(eval_dataloader)
        correct += (predictions == batch["labels"]).sum().item()
        count += len(predictions)
    accuracy = correct / count
    print(f"epoch {epoch}: train_loss {total_loss / len(train_dataloader):.4f} eval_loss {eval_loss:.4f} "
          f"{{'accuracy': {accuracy:.4f}}}")


def counting(data):
    """What counting the words of each topic gives."""
    hits = 0
    for f in data:
        n = [sum(403 + 90 * k <= w < 493 + 90 * k for w in f["input_ids"]) for k in range(TOPICS)]
        hits += n.index(max(n)) == f["label"]
    return hits / len(data)


best = counting(raw["validation"])
print(f"counting topic words gives {best:.4f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": round(accuracy, 4), "good": accuracy >= best - 0.04}))
