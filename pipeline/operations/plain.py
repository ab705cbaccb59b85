import torch
from torch import nn
from ..training.trainable import Trainable, ParamGroup
from ...core.tensor_files.safetensors_io import write_safetensors
class PlainLora(Trainable):
    kind="lora"
    def __init__(self, model, rank, rate, wd, seed):
        self.t={}; self.h=[]; self.rate=rate; self.wd=wd
        g=torch.Generator().manual_seed(seed)
        for name,m in model.unet.named_modules():
            if name.rpartition('.')[2] in ('to_q','to_k','to_v','0') and isinstance(m, nn.Linear):
                a=nn.Parameter(torch.randn(rank,m.in_features,generator=g)/rank); b=nn.Parameter(torch.zeros(m.out_features,rank))
                self.t[name+'.a']=a; self.t[name+'.b']=b
                self.h.append(m.register_forward_hook(lambda mod,i,o,a=a,b=b: o+(i[0]@a.T)@b.T))
    def groups(self): return [ParamGroup(name='unet',tensors=self.t,rate=self.rate,weight_decay=self.wd)]
    def save(self,path,metadata): return (write_safetensors(path,{k:v.detach() for k,v in self.t.items()},metadata),)
    def remove(self):
        for h in self.h: h.remove()
