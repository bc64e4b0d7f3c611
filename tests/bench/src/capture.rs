//! A captured stream with what the source asks the catalogue about it; and ours, decoding and encoding it in memory.

use rowtide_api::context::{Metrics, TaskContext};
use rowtide_api::convert::Failure;
use rowtide_api::data::Buffer;
use rowtide_api::record::Record;
use rowtide_api::{Error, ResultExt};
use rowtide_engine::chain::Chain;
use rowtide_engine::ports::Outgoing;
use rowtide_postgres::source::catalogue::{Structures, structures};
use rowtide_postgres::source::config::SourceConfig;
use rowtide_postgres::source::offset::{self, Position};
use rowtide_postgres::source::record::{Builder, Identity};
use rowtide_postgres::source::replication::relations::{Compiler, Schemas};
use rowtide_postgres::source::replication::transaction::{BatchLimits, Chunk, Outcome, Transactions};

/// Size of the pieces: what the session hands on when it reads in large gulps.
const CHUNK_BYTES: usize = 1 << 20;

/// Rows of the catalogue, as text.
pub type CatalogueRows = Vec<Vec<Option<String>>>;

/// Frames in pieces that end where frames end, and the catalogue's answer.
pub struct Captured {
    chunks: Vec<bytes::Bytes>,
    structures: Structures,
}

/// Our decoder and encoder without a socket, a task or a producer.
pub struct Encoder {
    config: SourceConfig,
    /// One for all passes, as a task has one for all its connections.
    compiler: Compiler,
    chain: Chain,
    last_commit: Option<u64>,
}

impl Captured {
    /// Cuts the frames.
    ///
    /// # Errors
    /// A catalogue answer of another form.
    pub fn new(frames: &[u8], catalogue: &CatalogueRows) -> Result<Self, Error> {
        let mut chunks = Vec::new();
        let (mut start, mut at) = (0, 0);
        while let Some(head) = frames.get(at..at + 5) {
            at += 1 + u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
            if at - start >= CHUNK_BYTES || at >= frames.len() {
                let end = at.min(frames.len());
                chunks.push(bytes::Bytes::copy_from_slice(&frames[start..end]));
                start = end;
            }
        }
        let structures = structures(catalogue).fatal("reading the structure of the captured table")?;
        Ok(Self { chunks, structures })
    }

    /// The pieces.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.chunks.iter().map(|chunk| &**chunk)
    }
}

impl Encoder {
    /// For a stream that goes on at `last_commit`.
    pub fn new(config: SourceConfig, chain: Chain, last_commit: Option<u64>) -> Self {
        Self {
            compiler: Compiler {
                filter: config.filter.clone(),
                records: config.records.clone(),
                schemas: Schemas::default(),
            },
            config,
            chain,
            last_commit,
        }
    }

    /// The state behind the socket, as the source task makes it.
    fn transactions(&self) -> Transactions {
        let config = &self.config;
        let identity = Identity {
            server: "7/1".to_owned(),
            run_id: "bench".to_owned(),
            task: 0,
        };
        let builder = Builder::new(config.records.clone(), &identity, &Metrics::default());
        let position = Position {
            lsn_commit: self.last_commit,
            ..Position::default()
        };
        let limits = BatchLimits {
            records_max: config.stream.batch_records_max,
            bytes_max: TaskContext::new("bench", 0).limits.batch_bytes_max,
        };
        let partition = offset::partition(&config.records.prefix);
        Transactions::new(self.compiler.clone(), builder, position, limits, partition)
    }

    /// Decodes and encodes all of it, showing each record as it would go to the producer; answers how many there were.
    ///
    /// # Errors
    /// What decoding and encoding say; the registry's when a schema had to be registered.
    pub async fn encode(
        &mut self,
        captured: &Captured,
        now_ns: i64,
        mut show: impl FnMut(Outgoing<'_>),
    ) -> Result<u64, Error> {
        let mut transactions = self.transactions();
        let mut count = 0;
        for bytes in &captured.chunks {
            let mut chunk = Chunk::new(Buffer::new(bytes.clone()));
            loop {
                let outcome = transactions.feed(&mut chunk, now_ns)?;
                match outcome {
                    Outcome::Announced(relation) => {
                        transactions.learn(&relation, &captured.structures)?;
                        Transactions::skip(&mut chunk);
                        continue;
                    }
                    Outcome::Differs => return Err(Error::fatal("the capture is read from its beginning")),
                    Outcome::Full | Outcome::Consumed => {}
                }
                for record in transactions.take_batch().records {
                    send(&mut self.chain, &record, &mut show).await?;
                    count += 1;
                }
                if matches!(outcome, Outcome::Consumed) {
                    break;
                }
            }
        }
        Ok(count)
    }
}

async fn send(chain: &mut Chain, record: &Record, show: &mut impl FnMut(Outgoing<'_>)) -> Result<(), Error> {
    loop {
        let failed = match chain.encode(record) {
            Ok(outgoing) => {
                show(outgoing);
                return Ok(());
            }
            Err(failed) => failed,
        };
        match failed.failure {
            Failure::Missing(missing) => {
                let converter = chain.converters().of(failed.stage).clone();
                converter.fetch(missing).await?;
            }
            Failure::Record(error) => return Err(Error::fatal("encoding a captured record").because(error)),
            Failure::Task(error) => return Err(error),
        }
    }
}
