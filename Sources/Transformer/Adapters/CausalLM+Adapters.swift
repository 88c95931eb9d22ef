// Loading an adapter for a model that is in memory: matrices packed for the kernels in the type that
// they are stored in, DoRA's norms worked out once. Refuses what can be merged but not applied to some
// rows of a batch: norms trained in full.

package import Checkpoints
import Compute
import ModelFamilies
import Quantization

extension CausalLM {
  /// Reads a PEFT adapter for this model.
  /// - Parameter directory: as peft's save_pretrained wrote it
  package func loadAdapter(directory: String) throws(ModelError) -> Adapter {
    let modules = AdaptableModules(self.modules, names: names)
    let contents = try AdapterContents(
      directory: directory, configuration: AdapterConfiguration(directory: directory),
      modules: modules.all, promptWidth: configuration.hiddenSize,
      prefixWidth: configuration.layerCount * 2 * configuration.keyValueWidth)
    var builder = AdapterBuilder(contents: contents, modules: modules, pool: pool)
    let adapter = try builder.adapter(configuration)
    guard adapter.virtualTokenCount < configuration.contextLength else {
      throw .unsuitableAdapter(
        path: contents.path,
        reason: "its \(adapter.virtualTokenCount) virtual tokens leave no room in a context of "
          + "\(configuration.contextLength)")
    }
    return adapter
  }
}

extension CausalLM {
  /// LoRA weights that mean nothing on every linear layer of all blocks, for measuring speed.
  package func randomAdapter(rank: Int) throws(ModelError) -> Adapter {
    let source = WeightSource.random(stored: .bfloat16)
    var linears: [ObjectIdentifier: LinearAdaptation] = [:]
    for (stem, linear) in modules.linears where stem != TensorName.head {
      func random(_ part: String, _ rows: Int, _ columns: Int) throws(ModelError) -> Linear {
        Linear(
          weight: try source.matrix(
            stem + part, rows: rows, columns: columns, format: .bfloat16, pool: pool),
          bias: nil)
      }
      linears[ObjectIdentifier(linear.weight)] = LinearAdaptation(
        lowRank: LinearAdaptation.LowRank(
          input: try random(".lora_A", rank, linear.weight.columns),
          output: try random(".lora_B", linear.outputCount, rank), scale: 1, gains: nil))
    }
    return Adapter(linears: linears, embedding: nil, prompt: nil, prefix: nil)
  }
}

/// Turns an adapter's contents into what a forward pass applies.
private struct AdapterBuilder {
  let contents: AdapterContents
  let modules: AdaptableModules
  let pool: ThreadPool
  /// A of modules of which several layers are pieces, by their tensors' names.
  private var inputs: [String: WeightMatrix] = [:]

  init(contents: AdapterContents, modules: AdaptableModules, pool: ThreadPool) {
    self.contents = contents
    self.modules = modules
    self.pool = pool
  }

  mutating func adapter(_ configuration: CausalLMConfiguration) throws(ModelError) -> Adapter {
    var linears: [ObjectIdentifier: LinearAdaptation] = [:]
    var embedding: EmbeddingAdaptation?
    for (name, change) in contents.changes.sorted(by: { $0.key < $1.key }) {
      try refuseTies(name)
      if let pieces = modules.pieces[name] {
        for piece in pieces {
          linears[ObjectIdentifier(piece.linear.weight)] = try adaptation(
            of: piece.linear, change.piece(piece.rows, count: piece.linear.outputCount))
        }
      } else if name == modules.embedding, let matrix = modules.embeddingMatrix {
        embedding = try adaptation(ofEmbedding: matrix, change)
      } else {
        throw refuse(
          "it trains \(name) in full, which can't be mixed in a batch; apply it with `martlet merge`"
        )
      }
    }
    return Adapter(
      linears: linears, embedding: embedding,
      prompt: contents.prompt.map { prompt in
        let scale = configuration.scalesVirtualEmbeddings ? configuration.embeddingScale : 1
        return VirtualEmbeddings(
          values: prompt.values().map { $0 * scale }, width: configuration.hiddenSize)
      },
      prefix: contents.prefix.map {
        KeyValuePrefix(
          values: $0.values(), layerCount: configuration.layerCount,
          width: configuration.keyValueWidth)
      })
  }

  private func refuse(_ reason: String) -> ModelError {
    .unsuitableAdapter(path: contents.path, reason: reason)
  }

  private func refuseTies(_ name: String) throws(ModelError) {
    guard contents.tiesWeights, name == modules.embedding || name == modules.head else { return }
    throw refuse("ensure_weight_tying with weights of \(name) is not supported")
  }

  private mutating func adaptation(of linear: Linear, _ change: ModuleChange) throws(ModelError)
    -> LinearAdaptation
  {
    var result = LinearAdaptation()
    let base = linear.weight
    if change.weight != nil || change.bias != nil {
      let weight = try change.weight.map { tensor throws(ModelError) in try matrix(tensor) }
      result.replacement = Linear(
        weight: weight ?? base, bias: change.bias?.values() ?? linear.bias)
    }
    if let lowRank = change.lowRank {
      let weight = result.replacement?.weight ?? base
      let gains = lowRank.magnitude.map { magnitude in
        let norms = LowRankDelta(lowRank, isTransposed: false)
          .rowNorms(pool: pool) { weight.dequantizeRow($0, into: $1) }
        return zip(magnitude.values(), norms).map { $0 / $1 }
      }
      let bias = lowRank.bias?.values().map { $0 * lowRank.scale }
      result.lowRank = LinearAdaptation.LowRank(
        input: Linear(weight: try input(lowRank.input), bias: nil),
        output: Linear(weight: try matrix(lowRank.output), bias: bias), scale: lowRank.scale,
        gains: gains)
    }
    if let scaling = change.scaling {
      let factors = scaling.factors.values()
      if scaling.multipliesInputs {
        result.inputFactors = factors
      } else {
        result.outputFactors = factors
      }
    }
    return result
  }

  private func adaptation(ofEmbedding base: WeightMatrix, _ change: ModuleChange)
    throws(ModelError) -> EmbeddingAdaptation
  {
    var result = EmbeddingAdaptation()
    result.replacement = try change.weight.map { tensor throws(ModelError) in try matrix(tensor) }
    guard let lowRank = change.lowRank else { return result }
    let weight = result.replacement ?? base
    let gains = lowRank.magnitude.map { magnitude in
      let norms = LowRankDelta(lowRank, isTransposed: true)
        .columnNorms { weight.dequantizeRow($0, into: $1) }
      return zip(magnitude.values(), norms).map { $0 / $1 }
    }
    result.lowRank = EmbeddingAdaptation.LowRank(
      rows: LowRankDelta.transposed(
        lowRank.input.values(), rows: lowRank.rank, columns: lowRank.input.shape[1]),
      rank: lowRank.rank, scale: lowRank.scale,
      output: Linear(weight: try matrix(lowRank.output), bias: nil), gains: gains)
    return result
  }

  private mutating func input(_ tensor: CheckpointTensor) throws(ModelError) -> WeightMatrix {
    if let known = inputs[tensor.name] { return known }
    let new = try matrix(tensor)
    inputs[tensor.name] = new
    return new
  }

  /// In the type that it is stored in.
  private func matrix(_ tensor: CheckpointTensor) throws(ModelError) -> WeightMatrix {
    let (rows, columns) = (tensor.shape[0], tensor.shape[1])
    do {
      return try WeightMatrix(rows: rows, columns: columns, format: tensor.format, pool: pool) {
        tensor.read($0.lowerBound * columns..<$0.upperBound * columns, into: $1)
      }
    } catch let error as ModelError {
      throw error
    } catch {
      throw .unloadableTensor(name: tensor.name, reason: "\(error)")
    }
  }
}
